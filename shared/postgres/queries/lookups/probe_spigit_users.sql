-- probe_spigit_users: Returns existing users of tenant $1 by folded user name ($2), with the fields that a Spigit file
-- can change.
-- `between` with equal bounds, `order by` and `limit 1` make the planner use this key's index: docs/decisions/0005.
select u.*
from unnest($2::text[]) as wanted (key)
cross join lateral (
    select
        id, version_job, version_line, username_key, email_key, email, username, first_name, last_name,
        work_city, partner_nr, position_ltxt, work_state, to_char(intf_publish_dt, 'YYYY-MM-DD'), position_stxt,
        job_nm, job_view, org_unit_ltxt, org_unit_stxt, cost_center_nm, cost_ctr_ort01, cost_ctr_regio,
        cost_ctr_land1, known_as_nm, network_id, manager_pnr, company_id, attributes::text
    from users
    where tenant = $1 and username_key between wanted.key and wanted.key
    order by username_key
    limit 1
) u
