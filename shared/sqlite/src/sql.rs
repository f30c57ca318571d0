//! Every statement, by name. A test prepares those in `ALL` against a migrated database.

muster_sql::statements! {
    "tenants" {
        COUNT_UPLOAD => "count_upload",
        CREATE_TENANT => "create_tenant",
        CREATE_TOKEN => "create_token",
        FIND_GRANT => "find_grant",
        LIST_TENANTS => "list_tenants",
        LIST_TOKENS => "list_tokens",
        QUOTA_USAGE => "quota_usage",
        REVOKE_TOKEN => "revoke_token",
        SET_TENANT_SETTINGS => "set_tenant_settings",
        TAKE_PASSWORD_QUOTA => "take_password_quota",
    }
    "keys" {
        USERS_TO_REKEY => "users_to_rekey",
        SET_USERNAME_KEY => "set_username_key",
        SET_EMAIL_KEY => "set_email_key",
        SET_UID_KEY => "set_uid_key",
        INSERT_CLASH => "insert_clash",
        LIST_CLASHES => "list_clashes",
    }
    "jobs" {
        CREATE_JOB => "create_job",
        FIND_KEYED_JOB => "find_keyed_job",
        FIRST_UNFINISHED => "first_unfinished",
        JOB_STATE => "job_state",
        JOB_TENANT => "job_tenant",
        LOCK_JOB => "lock_job",
        RELEASE_IDEMPOTENCY_KEY => "release_idempotency_key",
    }
    "deletion" {
        DELETE_ATTEMPTS => "delete_attempts",
        DELETE_JOB => "delete_job",
        DELETE_LEDGER => "delete_ledger",
        RECORD_DELETION => "record_deletion",
        NEXT_DELETED_JOB => "next_deleted_job",
        FORGET_DELETED_JOB => "forget_deleted_job",
    }
    "status" {
        FIND_JOB => "find_job",
        LIST_JOBS => "list_jobs",
        LIST_REJECTIONS => "list_rejections",
        LIST_WARNINGS => "list_warnings",
    }
    "finish" {
        FIND_STOPPED_JOB => "find_stopped_job",
        CLAIM_FINAL_BATCH => "claim_final_batch",
        BEGIN_STOP => "begin_stop",
        CANCEL_JOB => "cancel_job",
        FIND_COMPLETE_JOB => "find_complete_job",
        FINISH_JOB => "finish_job",
        LEDGER_SUMS => "ledger_sums",
        COMPLETE_STOP => "complete_stop",
    }
    "hand_over" {
        INSERT_WAITING => "insert_waiting",
        PROBE_WAITING => "probe_waiting",
        NUMBER_WAITING => "number_waiting",
        WAITING_ROWS => "waiting_rows",
        NAME_EMAIL_HOLDERS => "name_email_holders",
        NAME_LOGIN_HOLDERS => "name_login_holders",
        RELEASE_EMAILS => "release_emails",
        RELEASE_LOGINS => "release_logins",
        DELETE_WAITING => "delete_waiting",
    }
    "missing_users" {
        BLOCK_LISTED => "block_listed",
        BLOCK_MISSING => "block_missing",
        FORGET_MISSING => "forget_missing",
        LIST_MISSING => "list_missing",
        TAKE_MISSING_PIECE => "take_missing_piece",
        RECORD_BLOCKED => "record_blocked",
        COUNT_MISSING => "count_missing",
        CLEAR_NAMED_USERS => "clear_named_users",
        MISSING_GUARD => "missing_guard",
    }
    "splits" {
        APPLIED_BATCHES => "applied_batches",
        FINISH_SPLIT => "finish_split",
        LEASE_SPLIT => "lease_split",
        RELEASE_LEASE => "release_lease",
        RENEW_LEASE => "renew_lease",
    }
    "batches" {
        BATCH_STATUS => "batch_status",
        COUNT_ATTEMPTS => "count_attempts",
        UNDO_ATTEMPT => "undo_attempt",
        INSERT_REJECTION => "insert_rejection",
        INSERT_WARNING => "insert_warning",
        JOB_RULES => "job_rules",
        LEDGER_COUNTS => "ledger_counts",
        RECORD_ATTEMPT => "record_attempt",
        RECORD_BATCH => "record_batch",
        LOCK_JOB_SHARED => "lock_job_shared",
    }
    "users" {
        FIND_USER => "find_user",
        FIND_USER_BY_EMAIL => "find_user_by_email",
        FIND_USER_BY_UID => "find_user_by_uid",
        INSERT_USER => "insert_user",
        UPDATE_USER => "update_user",
    }
    "lookups" {
        PROBE_HOLDERS => "probe_holders",
        PROBE_IDS_BY_UID => "probe_ids_by_uid",
        PROBE_NEW_UIDS => "probe_new_uids",
        PROBE_USER => "probe_user",
    }
    "upkeep" {
        IS_BATCH_OUTSTANDING => "is_batch_outstanding",
        RESET_UNFINISHED => "reset_unfinished",
        JOBS_TO_SPLIT => "jobs_to_split",
        JOBS_TO_STOP => "jobs_to_stop",
        LEDGER_ROWS => "ledger_rows",
        RESTART_SPLIT => "restart_split",
        NEWEST_PUBLICATION => "newest_publication",
        RUNNING_JOBS => "running_jobs",
        UPLOADS_WITHOUT_JOB => "uploads_without_job",
    }
    "retention" {
        CLOSE_REPORTS => "close_reports",
        RECORD_REPORTS_REMOVED => "record_reports_removed",
        RECORD_UPLOAD_REMOVED => "record_upload_removed",
        REMOVE_ATTEMPTS => "remove_attempts",
        REMOVE_REJECTIONS => "remove_rejections",
        REMOVE_WARNINGS => "remove_warnings",
        UPLOADS_TO_REMOVE => "uploads_to_remove",
    }
}
