-- probe_users: the users whom the rows of a batch name by user name.
select
    u.id, u.version_job, u.version_line, u.username_key, u.email_key, u.email, u.username, u.first_name,
    u.last_name, u.work_city, u.partner_nr, u.position_ltxt, u.work_state, to_char(u.intf_publish_dt,
    'YYYY-MM-DD'), u.position_stxt, u.job_nm, u.job_view, u.org_unit_ltxt, u.org_unit_stxt, u.cost_center_nm,
    u.cost_ctr_ort01, u.cost_ctr_regio, u.cost_ctr_land1, u.known_as_nm, u.network_id, u.manager_pnr,
    u.company_id, u.uid, u.patronymic, to_char(u.birth_date, 'YYYY-MM-DD'), u.gender::text, u.city, u.department,
    u.position, u.tags::text, u.phone, u.blocked_reason, to_char(u.date_of_employment, 'YYYY-MM-DD'), u.google_id,
    u.facebook_id, u.work_contact, to_char(u.date_of_assignment_current_position, 'YYYY-MM-DD'),
    u.structure_uid::text, u.user_field1, u.user_field2, u.user_field3, u.user_field4, u.user_field5,
    u.custom_info::text, u.language, u.role_id::text, u.manager_uid::text, u.attributes::text
from unnest($2::text[]) as wanted (key)
join users u on u.tenant = $1 and u.username_key = wanted.key
