-- update_user: one changed user; nothing if its e-mail is taken.
update or ignore users
set
    version_job = ?2,
    version_line = ?3,
    email_key = ?5,
    email = ?6,
    username = ?7,
    first_name = ?8,
    last_name = ?9,
    work_city = ?10,
    partner_nr = ?11,
    position_ltxt = ?12,
    work_state = ?13,
    intf_publish_dt = ?14,
    position_stxt = ?15,
    job_nm = ?16,
    job_view = ?17,
    org_unit_ltxt = ?18,
    org_unit_stxt = ?19,
    cost_center_nm = ?20,
    cost_ctr_ort01 = ?21,
    cost_ctr_regio = ?22,
    cost_ctr_land1 = ?23,
    known_as_nm = ?24,
    network_id = ?25,
    manager_pnr = ?26,
    company_id = ?27,
    attributes = ?28,
    updated_at = cast(unixepoch('subsec') * 1000 as integer)
where tenant = ?1
    and username_key = ?4
