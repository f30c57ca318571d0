//! Every statement, by name. `ALL` is what the test prepares against a migrated database.

macro_rules! statements {
    ($($name:ident => $file:literal,)*) => {
        $(pub(crate) const $name: &str = include_str!(concat!("../queries/", $file, ".sql"));)*

        /// Every statement with its name.
        pub const ALL: &[(&str, &str)] = &[$(($file, $name),)*];
    };
}

statements! {
    APPLIED_BATCHES => "applied_batches",
    CLAIM_BATCH => "claim_batch",
    COMPLETENESS => "completeness",
    COPY_STAGE => "copy_stage",
    COPY_USERS => "copy_users",
    CREATE_JOB => "create_job",
    CREATE_STAGE => "create_stage",
    CREATE_TENANT => "create_tenant",
    CREATE_TOKEN => "create_token",
    DELETE_ATTEMPTS => "delete_attempts",
    DELETE_JOB => "delete_job",
    DELETE_LEDGER => "delete_ledger",
    DELETE_REJECTIONS => "delete_rejections",
    EMPTY_STAGE => "empty_stage",
    FIND_GRANT => "find_grant",
    FIND_JOB => "find_job",
    FIND_USER => "find_user",
    FINISH_JOB => "finish_job",
    FINISH_SPLIT => "finish_split",
    FIRST_UNFINISHED => "first_unfinished",
    INSERT_REJECTIONS => "insert_rejections",
    INSERT_STAGED => "insert_staged",
    INSERT_USER => "insert_user",
    JOB_RULES => "job_rules",
    JOB_STATE => "job_state",
    JOB_TENANT => "job_tenant",
    JOBS_TO_FINISH => "jobs_to_finish",
    JOBS_TO_SPLIT => "jobs_to_split",
    LEAD => "lead",
    LEASE_SPLIT => "lease_split",
    LEDGER_COUNTS => "ledger_counts",
    LEDGER_ROWS => "ledger_rows",
    LEDGER_SUMS => "ledger_sums",
    LIST_JOBS => "list_jobs",
    LIST_REJECTIONS => "list_rejections",
    LIST_TENANTS => "list_tenants",
    LIST_TOKENS => "list_tokens",
    LOCK_JOB => "lock_job",
    LOCK_TENANT => "lock_tenant",
    NOTIFY_JOB => "notify_job",
    PROBE_EMAIL_HOLDERS => "probe_email_holders",
    PROBE_USERS => "probe_users",
    RECORD_ATTEMPT => "record_attempt",
    RELEASE_LEASE => "release_lease",
    RENEW_LEASE => "renew_lease",
    RESTART_STALLED_SPLITS => "restart_stalled_splits",
    REVOKE_TOKEN => "revoke_token",
    RUNNING_JOBS => "running_jobs",
    SCHEMA_VERSION => "schema_version",
    SETTLE_BATCH => "settle_batch",
    SHARE_JOB => "share_job",
    UPDATE_STAGED => "update_staged",
    UPDATE_USER => "update_user",
    VOID_LEASES => "void_leases",
}
