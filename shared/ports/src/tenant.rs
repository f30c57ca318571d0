//! Tenants, tokens and users as the ports see them.

use std::collections::BTreeMap;

use muster_domain::TenantId;

use crate::error::StoreError;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Upload, cancel and delete.
    ImportWrite,
    /// Read jobs, reports and users.
    ImportRead,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 2] = [Self::ImportWrite, Self::ImportRead];

    /// The scope as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ImportWrite => "import:write",
            Self::ImportRead => "import:read",
        }
    }

    /// Reads a scope from text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }

    /// Scopes as one text, as they are stored.
    pub fn join(scopes: &[Self]) -> String {
        scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Reads what [`Scope::join`] wrote. Scopes of other versions allow nothing here.
    pub fn split(text: &str) -> Vec<Self> {
        text.split(' ').filter_map(Self::parse).collect()
    }
}

/// What a tenant wants done with rows that are short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortRows {
    /// They fail.
    Fail,
    /// Missing trailing cells count as empty.
    Pad,
}

impl ShortRows {
    /// The setting as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Pad => "pad",
        }
    }

    /// Reads the setting from text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Fail, Self::Pad].into_iter().find(|setting| setting.as_str() == text)
    }
}

/// What a tenant wants done with users whom a Collaborator file does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingUsers {
    /// They stay as they are.
    Keep,
    /// They are blocked, unless there are too many of them.
    Block,
}

impl MissingUsers {
    /// The setting as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Block => "block",
        }
    }

    /// Reads the setting from text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Keep, Self::Block].into_iter().find(|setting| setting.as_str() == text)
    }
}

/// What may be set for a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantSettings {
    /// What becomes of short rows of a Spigit file.
    pub short_rows: ShortRows,
    /// What becomes of users whom a Collaborator file does not name.
    pub missing_users: MissingUsers,
    /// Of the active users with a uid, in percent, so many may be blocked as missing by one file.
    pub missing_guard_percent: u8,
    /// And so many always, however few users there are.
    pub missing_guard_min: u32,
}

impl TenantSettings {
    /// Reads settings as they are stored.
    pub fn read(short_rows: &str, missing_users: &str, percent: i64, min: i64) -> Result<Self, StoreError> {
        let unreadable = StoreError::Unreadable;
        Ok(Self {
            short_rows: ShortRows::parse(short_rows).ok_or(unreadable("a tenant's setting short_rows"))?,
            missing_users: MissingUsers::parse(missing_users).ok_or(unreadable("a tenant's setting missing_users"))?,
            missing_guard_percent: u8::try_from(percent)
                .map_err(|_| StoreError::Unreadable("a tenant's setting missing_guard_percent"))?,
            missing_guard_min: u32::try_from(min)
                .map_err(|_| StoreError::Unreadable("a tenant's setting missing_guard_min"))?,
        })
    }
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self {
            short_rows: ShortRows::Fail,
            missing_users: MissingUsers::Keep,
            missing_guard_percent: 10,
            missing_guard_min: 10,
        }
    }
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRecord {
    /// Its id.
    pub id: TenantId,
    /// Its unique name.
    pub name: String,
    /// What is set for it.
    pub settings: TenantSettings,
}

/// A token to be stored: never the token itself.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose token.
    pub tenant: TenantId,
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// The first characters, by which people tell tokens apart.
    pub prefix: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// In how many seconds it ends; never, if not given.
    pub expires_in_seconds: Option<i64>,
}

/// A stored token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its id, by which it is revoked.
    pub id: i64,
    /// The first characters.
    pub prefix: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it was made, in milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// When it ends.
    pub expires_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
}

/// What a valid token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose token.
    pub tenant: TenantId,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// What is set for the tenant.
    pub settings: TenantSettings,
}

/// A user, to be read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord {
    /// Its id.
    pub id: i64,
    /// The typed columns that have a value, by column name.
    pub values: BTreeMap<&'static str, String>,
    /// The attributes as a JSON object.
    pub attributes: Option<String>,
    /// When it was made, in milliseconds since 1970 UTC.
    pub created_ms: i64,
    /// When it was last changed.
    pub updated_ms: i64,
}
