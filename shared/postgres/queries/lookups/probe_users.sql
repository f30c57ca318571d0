-- probe_users: Returns existing users of tenant $1 by folded user name ($2), with all fields.
-- `between` with equal bounds, `order by` and `limit 1` make the planner use this key's index: docs/decisions/0005.
select u.*
from unnest($2::text[]) as wanted (key)
cross join lateral (
    select
        id, version_job, version_line, username_key, email_key, email, username, first_name, last_name,
        work_city, partner_nr, position_ltxt, work_state, to_char(intf_publish_dt, 'YYYY-MM-DD'), position_stxt,
        job_nm, job_view, org_unit_ltxt, org_unit_stxt, cost_center_nm, cost_ctr_ort01, cost_ctr_regio,
        cost_ctr_land1, known_as_nm, network_id, manager_pnr, company_id, uid, patronymic,
        to_char(birth_date, 'YYYY-MM-DD'), gender::text, city, department, position, tags::text, phone,
        blocked_reason, to_char(date_of_employment, 'YYYY-MM-DD'), google_id, facebook_id, work_contact,
        to_char(date_of_assignment_current_position, 'YYYY-MM-DD'), structure_uid::text, user_field1,
        user_field2, user_field3, user_field4, user_field5, custom_info::text, language, role_id::text,
        manager_uid::text, attributes::text
    from users
    where tenant = $1 and username_key between wanted.key and wanted.key
    order by username_key
    limit 1
) u
