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
    BATCH_IS_MISSING => "batch_is_missing",
    BEGIN_ANEW => "begin_anew",
    BEGIN_STOP => "begin_stop",
    CANCEL_JOB => "cancel_job",
    CLOSE_REPORTS => "close_reports",
    COMPLETENESS => "completeness",
    COUNT_ATTEMPTS => "count_attempts",
    CREATE_JOB => "create_job",
    CREATE_TENANT => "create_tenant",
    CREATE_TOKEN => "create_token",
    DELETE_ATTEMPTS => "delete_attempts",
    DELETE_JOB => "delete_job",
    DELETE_LEDGER => "delete_ledger",
    DELETE_REJECTIONS => "delete_rejections",
    FIND_GRANT => "find_grant",
    FIND_JOB => "find_job",
    FIND_USER => "find_user",
    FINISH_JOB => "finish_job",
    FINISH_SPLIT => "finish_split",
    FIRST_UNFINISHED => "first_unfinished",
    FORGET_ATTEMPT => "forget_attempt",
    INSERT_REJECTION => "insert_rejection",
    INSERT_USER => "insert_user",
    JOBS_TO_FINISH => "jobs_to_finish",
    JOBS_TO_SPLIT => "jobs_to_split",
    JOBS_TO_STOP => "jobs_to_stop",
    JOB_RULES => "job_rules",
    JOB_STATE => "job_state",
    JOB_TENANT => "job_tenant",
    LEASE_SPLIT => "lease_split",
    LEDGER_COUNTS => "ledger_counts",
    LEDGER_ROWS => "ledger_rows",
    LEDGER_SUMS => "ledger_sums",
    LIST_JOBS => "list_jobs",
    LIST_REJECTIONS => "list_rejections",
    LIST_TENANTS => "list_tenants",
    LIST_TOKENS => "list_tokens",
    LOCK_JOB => "lock_job",
    NOTE_REPORTS_REMOVED => "note_reports_removed",
    NOTE_UPLOAD_REMOVED => "note_upload_removed",
    PROBE_USER => "probe_user",
    RECORD_ATTEMPT => "record_attempt",
    RELEASE_LEASE => "release_lease",
    REMOVE_ATTEMPTS => "remove_attempts",
    REMOVE_REJECTIONS => "remove_rejections",
    RENEW_LEASE => "renew_lease",
    RESTART_STALLED_SPLITS => "restart_stalled_splits",
    REVOKE_TOKEN => "revoke_token",
    RUNNING_JOBS => "running_jobs",
    SETTLE_BATCH => "settle_batch",
    SHARE_JOB => "share_job",
    STOP_JOB => "stop_job",
    UPDATE_USER => "update_user",
    UPLOADS_TO_REMOVE => "uploads_to_remove",
    UPLOADS_WITHOUT_JOB => "uploads_without_job",
}
