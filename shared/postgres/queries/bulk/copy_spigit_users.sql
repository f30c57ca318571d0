-- copy_spigit_users: Copies new users of a Spigit file directly into the table.
copy users (
    tenant, version_job, version_line, row_digest, username_key, email_key, email, username, first_name,
    last_name, work_city, partner_nr, position_ltxt, work_state, intf_publish_dt, position_stxt, job_nm, job_view,
    org_unit_ltxt, org_unit_stxt, cost_center_nm, cost_ctr_ort01, cost_ctr_regio, cost_ctr_land1, known_as_nm,
    network_id, manager_pnr, company_id, attributes
) from stdin
