-- copy_stage: Copies users into the stage, for update_staged or insert_staged.
copy users_stage (
    target_id, probed_job, probed_line, tenant, version_job, version_line, row_digest, username_key, email_key,
    email, username, first_name, last_name, work_city, partner_nr, position_ltxt, work_state, intf_publish_dt,
    position_stxt, job_nm, job_view, org_unit_ltxt, org_unit_stxt, cost_center_nm, cost_ctr_ort01, cost_ctr_regio,
    cost_ctr_land1, known_as_nm, network_id, manager_pnr, company_id, uid, patronymic, birth_date, gender, city,
    department, position, tags, phone, blocked_reason, date_of_employment, google_id, facebook_id, work_contact,
    date_of_assignment_current_position, structure_uid, user_field1, user_field2, user_field3, user_field4,
    user_field5, custom_info, language, role_id, manager_uid, attributes, password_hash
) from stdin
