-- probe_spigit_users: the users whom the rows of a Spigit file name, as far as such a file can change them.
select
    u.id, u.version_job, u.version_line, u.username_key, u.email_key, u.email, u.username, u.first_name,
    u.last_name, u.work_city, u.partner_nr, u.position_ltxt, u.work_state, to_char(u.intf_publish_dt,
    'YYYY-MM-DD'), u.position_stxt, u.job_nm, u.job_view, u.org_unit_ltxt, u.org_unit_stxt, u.cost_center_nm,
    u.cost_ctr_ort01, u.cost_ctr_regio, u.cost_ctr_land1, u.known_as_nm, u.network_id, u.manager_pnr,
    u.company_id, u.attributes::text
from unnest($2::text[]) as wanted (key)
join users u on u.tenant = $1 and u.username_key = wanted.key
