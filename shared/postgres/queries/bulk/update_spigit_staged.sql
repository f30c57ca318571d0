-- update_spigit_staged: Updates users from the stage with the fields that a Spigit file can have, each only if it still
-- has the version that was read.
update users u
set
    version_job = s.version_job,
    version_line = s.version_line,
    row_digest = s.row_digest,
    username_key = s.username_key,
    email_key = s.email_key,
    email = s.email,
    username = s.username,
    first_name = s.first_name,
    last_name = s.last_name,
    work_city = s.work_city,
    partner_nr = s.partner_nr,
    position_ltxt = s.position_ltxt,
    work_state = s.work_state,
    intf_publish_dt = s.intf_publish_dt,
    position_stxt = s.position_stxt,
    job_nm = s.job_nm,
    job_view = s.job_view,
    org_unit_ltxt = s.org_unit_ltxt,
    org_unit_stxt = s.org_unit_stxt,
    cost_center_nm = s.cost_center_nm,
    cost_ctr_ort01 = s.cost_ctr_ort01,
    cost_ctr_regio = s.cost_ctr_regio,
    cost_ctr_land1 = s.cost_ctr_land1,
    known_as_nm = s.known_as_nm,
    network_id = s.network_id,
    manager_pnr = s.manager_pnr,
    company_id = s.company_id,
    attributes = s.attributes,
    updated_at = now()
from users_stage s
where u.tenant = s.tenant
    and u.id = s.target_id
    and u.version_job = s.probed_job
    and u.version_line = s.probed_line
