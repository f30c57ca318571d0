-- update_spigit_user: Updates user $30 of tenant $1 with the fields that a Spigit file can have, if it still has the
-- version ($31, $32) that was read and no other user has its new e-mail or user name.
update users u
set
    version_job = $2,
    version_line = $3,
    username_key = $4,
    email_key = $5,
    email = $6,
    username = $7,
    first_name = $8,
    last_name = $9,
    work_city = $10,
    partner_nr = $11,
    position_ltxt = $12,
    work_state = $13,
    intf_publish_dt = $14::date,
    position_stxt = $15,
    job_nm = $16,
    job_view = $17,
    org_unit_ltxt = $18,
    org_unit_stxt = $19,
    cost_center_nm = $20,
    cost_ctr_ort01 = $21,
    cost_ctr_regio = $22,
    cost_ctr_land1 = $23,
    known_as_nm = $24,
    network_id = $25,
    manager_pnr = $26,
    company_id = $27,
    attributes = $28::jsonb,
    row_digest = $29,
    updated_at = now()
where u.tenant = $1
    and u.id = $30
    and u.version_job = $31
    and u.version_line = $32
    and not exists (select 1 from users o where o.tenant = $1 and o.email_key = $5 and o.id <> $30)
    and not exists (select 1 from users o where o.tenant = $1 and o.username_key = $4 and o.id <> $30)
