-- find_user: one user, to be read back.
select
    id, email, username, first_name, last_name, work_city, partner_nr, position_ltxt, work_state,
    to_char(intf_publish_dt, 'YYYY-MM-DD'), position_stxt, job_nm, job_view, org_unit_ltxt, org_unit_stxt,
    cost_center_nm, cost_ctr_ort01, cost_ctr_regio, cost_ctr_land1, known_as_nm, network_id, manager_pnr,
    company_id, attributes::text, (extract(epoch from created_at) * 1000)::bigint,
    (extract(epoch from updated_at) * 1000)::bigint
from users
where tenant = $1
    and username_key = $2
