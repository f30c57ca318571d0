//! Tenants, tokens and users, as the ports exchange them.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_domain::{Charset, OwnTitles, Quotas, TenantId};

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Upload, cancel and delete files.
    ImportWrite,
    /// Read jobs, rejections and users.
    ImportRead,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 2] = [Self::ImportWrite, Self::ImportRead];

    /// Returns the scope as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ImportWrite => "import:write",
            Self::ImportRead => "import:read",
        }
    }

    /// Parses a scope.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    /// Joins scopes into the text that is stored.
    pub fn format_list(scopes: &[Self]) -> String {
        scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Parses the output of [`Scope::format_list`]. Unknown scopes, written by another version, are ignored.
    pub fn parse_list(text: &str) -> Vec<Self> {
        text.split(' ').filter_map(Self::parse).collect()
    }
}

/// What happens to rows of a Spigit file with fewer values than the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortRows {
    /// They fail.
    Fail,
    /// The values that they lack at the end count as empty.
    Pad,
}

impl ShortRows {
    /// Returns the setting as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Pad => "pad",
        }
    }

    /// Parses the setting.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Fail, Self::Pad].into_iter().find(|setting| setting.as_str() == text)
    }
}

/// What happens to missing users: those with a uid whom no row of a Collaborator file names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingUsers {
    /// They stay unchanged.
    Keep,
    /// They are blocked, unless there are more of them than the guard allows.
    Block,
}

impl MissingUsers {
    /// Returns the setting as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Block => "block",
        }
    }

    /// Parses the setting.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Keep, Self::Block].into_iter().find(|setting| setting.as_str() == text)
    }
}

/// The settings of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantSettings {
    /// What happens to short rows of a Spigit file.
    pub short_rows: ShortRows,
    /// What happens to missing users.
    pub missing_users: MissingUsers,
    /// The guard: the maximum share of the active users with a uid that one file may block as missing, in percent.
    pub missing_guard_percent: u8,
    /// The number of missing users that one file may always block, however few users the tenant has.
    pub missing_guard_min: u32,
    /// The charset of files that declare none and are not UTF-8; `None` if Muster is to find out.
    pub charset: Option<Charset>,
    /// The titles that the tenant gives to columns, besides those that Muster knows.
    pub own_titles: Arc<OwnTitles>,
    /// How much the tenant may store and import.
    pub quotas: Quotas,
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self {
            short_rows: ShortRows::Fail,
            missing_users: MissingUsers::Keep,
            missing_guard_percent: 10,
            missing_guard_min: 10,
            charset: None,
            own_titles: Arc::default(),
            quotas: Quotas::default(),
        }
    }
}

/// A stored tenant. Its name is unique.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the fields say all")]
pub struct TenantRecord {
    pub id: TenantId,
    pub name: String,
    pub settings: TenantSettings,
}

/// A user who cannot have the key that its user name, e-mail or uid gives by the present rules: another user has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyClash {
    /// The name of the tenant.
    pub tenant: String,
    /// The id of the user.
    pub user_id: i64,
    /// The column of the value: `username`, `email` or `uid`.
    pub column: String,
}

/// A token to be stored: its digest, never the token itself.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The tenant that the token belongs to.
    pub tenant: TenantId,
    /// The SHA-256 of the token.
    pub sha256: [u8; 32],
    /// The first characters of the token, by which people tell tokens apart.
    pub prefix: String,
    /// What the token allows.
    pub scopes: Vec<Scope>,
    /// Seconds until the token expires; `None` if never.
    pub expires_in_seconds: Option<i64>,
}

/// A stored token. Times are in milliseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// The id by which the token is revoked.
    pub id: i64,
    /// The first characters of the token.
    pub prefix: String,
    /// What the token allows.
    pub scopes: Vec<Scope>,
    /// When the token was created.
    pub created_ms: i64,
    /// When the token expires; `None` if never.
    pub expires_ms: Option<i64>,
    /// When the token was revoked; `None` if it was not.
    pub revoked_ms: Option<i64>,
}

/// What a valid token allows, and for which tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the fields say all")]
pub struct Grant {
    pub tenant: TenantId,
    pub scopes: Vec<Scope>,
    pub settings: TenantSettings,
}

/// How a user is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserKey {
    /// By its folded user name.
    Username(String),
    /// By its folded e-mail.
    Email(String),
    /// By its uid.
    Uid(String),
}

/// A stored user. Times are in milliseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// The id of the user.
    pub id: i64,
    /// The typed columns that have a value, by column name.
    pub values: BTreeMap<&'static str, String>,
    /// The attributes, as a JSON object.
    pub attributes: Option<String>,
    /// When the user was created.
    pub created_ms: i64,
    /// When the user was last changed.
    pub updated_ms: i64,
}
