//! Keys of stored users that the present rules make differently.

use muster_domain::{invisible, key};
use muster_ports::KeyClash;

use crate::row::{SqlRow, Unreadable};

/// How many users are read at a time.
pub const REKEY_USERS: u32 = 5_000;

/// Which key of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// That of its user name.
    Username,
    /// That of its e-mail.
    Email,
    /// Its uid.
    Uid,
}

impl KeyKind {
    /// The kind as it is stored: the column of the value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::Uid => "uid",
        }
    }
}

/// A user, and the keys that are to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekey {
    /// The tenant of the user.
    pub tenant: i64,
    /// The id of the user.
    pub id: i64,
    /// The new keys.
    pub changes: Vec<(KeyKind, String)>,
}

/// A row of `users_to_rekey.sql`.
pub fn rekey(row: &impl SqlRow) -> Result<Rekey, Unreadable> {
    let mut changes = Vec::new();
    let mut compare = |kind, stored: Option<String>, new: Option<String>| {
        if let Some(new) = new.filter(|new| stored.as_ref() != Some(new) && !new.is_empty()) {
            changes.push((kind, new));
        }
    };
    let username = row.optional_text("username")?;
    compare(KeyKind::Username, row.optional_text("username_key")?, username.map(|value| key::fold(&value)));
    let email = row.optional_text("email")?;
    compare(KeyKind::Email, row.optional_text("email_key")?, email.map(|value| key::fold_email(&value)));
    let uid = row.optional_text("uid")?;
    compare(KeyKind::Uid, uid.clone(), uid.map(|value| invisible::remove(&value).into_owned()));
    Ok(Rekey { tenant: row.number("tenant")?, id: row.number("id")?, changes })
}

/// A row of `list_clashes.sql`.
pub fn clash(row: &impl SqlRow) -> Result<KeyClash, Unreadable> {
    Ok(KeyClash { tenant: row.text("name")?, user_id: row.number("user_id")?, column: row.text("kind")? })
}
