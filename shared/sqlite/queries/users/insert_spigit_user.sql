-- insert_spigit_user: Inserts one user of a Spigit file; has no effect if its user name or e-mail is taken. Differs
-- from Postgres, which copies many users at once: here each new user takes a statement, and one with fewer columns is
-- faster.
insert into users (
    tenant, version_job, version_line, username_key, email_key, email, username, first_name, last_name,
    work_city, partner_nr, position_ltxt, work_state, intf_publish_dt, position_stxt, job_nm, job_view,
    org_unit_ltxt, org_unit_stxt, cost_center_nm, cost_ctr_ort01, cost_ctr_regio, cost_ctr_land1, known_as_nm,
    network_id, manager_pnr, company_id, attributes
)
values (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
    ?24, ?25, ?26, ?27, ?28
)
on conflict do nothing
