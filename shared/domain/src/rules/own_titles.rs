//! The titles that a tenant gives to columns, besides those that Muster knows.

use std::collections::BTreeMap;

use super::{collaborator, key};
use crate::field::Field;
use crate::header::{MAX_COLUMNS, MAX_TITLE_CHARS, is_visible_title};

/// Why a tenant cannot have a title.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnTitleError {
    /// The title is empty or too long, or has an invisible character.
    #[error("expected a title of 1 to {MAX_TITLE_CHARS} visible characters")]
    TitleInvalid,
    /// The title is already that of a column of a Spigit file.
    #[error("{0} is already the title of a column")]
    TitleTaken(&'static str),
    /// There is no such column.
    #[error("expected a column after the equals sign: a title such as EMAIL, or a key such as secondname")]
    ColumnUnknown,
    /// The tenant has as many titles as a file can have columns.
    #[error("a tenant can have at most {MAX_COLUMNS} titles")]
    TooMany,
}

/// The titles of a tenant, each with the name of the column for which it stands: a title of a Spigit file or a key of
/// the Collaborator API. Titles are compared in their folded form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnTitles {
    by_key: BTreeMap<String, OwnTitle>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct OwnTitle {
    title: String,
    column: &'static str,
}

impl OwnTitles {
    /// Adds a title, or gives it another column.
    pub fn set(&mut self, title: &str, column: &str) -> Result<(), OwnTitleError> {
        let title = title.trim();
        if title.is_empty() || title.chars().count() > MAX_TITLE_CHARS || !is_visible_title(title) {
            return Err(OwnTitleError::TitleInvalid);
        }
        if let Some(field) = Field::from_spigit_title(title) {
            return Err(OwnTitleError::TitleTaken(field.spec().spigit_title));
        }
        let column = column_name(column.trim()).ok_or(OwnTitleError::ColumnUnknown)?;
        let key = key::fold(title);
        if self.by_key.len() >= MAX_COLUMNS && !self.by_key.contains_key(&key) {
            return Err(OwnTitleError::TooMany);
        }
        self.by_key.insert(key, OwnTitle { title: title.to_owned(), column });
        Ok(())
    }

    /// Removes a title. Returns whether the tenant had it.
    pub fn remove(&mut self, title: &str) -> bool {
        self.by_key.remove(&key::fold(title)).is_some()
    }

    /// The titles as they were written, each with the name of its column.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.by_key.values().map(|own| (own.title.as_str(), own.column))
    }

    /// The title of a Spigit file for which a title stands; `None` if it stands for none.
    pub fn spigit_title(&self, title: &str) -> Option<&'static str> {
        let column = self.column(title)?;
        let field = Field::from_spigit_title(column).or_else(|| collaborator::field_of_key(column))?;
        Some(field.spec().spigit_title).filter(|title| !title.is_empty())
    }

    /// The position of the column of a Collaborator file for which a title stands; `None` if it stands for none.
    pub fn collaborator_position(&self, title: &str) -> Option<usize> {
        let column = self.column(title)?;
        let key = match Field::from_spigit_title(column) {
            Some(field) => collaborator::key_of_field(field)?,
            None => column,
        };
        collaborator::column_names().iter().position(|name| *name == key)
    }

    fn column(&self, title: &str) -> Option<&'static str> {
        // Nearly every tenant has none, and to fold each title costs time.
        if self.by_key.is_empty() {
            return None;
        }
        self.by_key.get(&key::fold(title)).map(|own| own.column)
    }
}

/// The name of a column as Muster writes it.
fn column_name(text: &str) -> Option<&'static str> {
    let title = Field::from_spigit_title(text).map(|field| field.spec().spigit_title);
    title.or_else(|| collaborator::column_names().into_iter().find(|name| name.eq_ignore_ascii_case(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_stands_for_a_column_in_each_dialect_that_has_it() {
        let mut own = OwnTitles::default();
        for (title, column) in
            [("Mail", "email"), ("Kürzel ", "USERNAME"), ("Familie", "secondname"), ("Geheim", "password")]
        {
            own.set(title, column).unwrap();
        }
        assert_eq!(own.spigit_title(" MAIL"), Some("EMAIL"));
        assert_eq!(own.spigit_title("KÜRZEL"), Some("USERNAME"));
        assert_eq!(own.spigit_title("familie"), Some("LAST_NM"));
        assert_eq!(own.spigit_title("Geheim"), None, "a Spigit file has no such column");
        assert_eq!(own.spigit_title("EMAIL"), None, "not a title of the tenant");
        let positions = ["Mail", "Kürzel", "Familie", "Geheim", "x"].map(|title| own.collaborator_position(title));
        assert_eq!(positions, [Some(5), Some(4), Some(1), Some(6), None]);
        let listed: Vec<_> = own.iter().collect();
        assert_eq!(
            listed,
            [("Familie", "secondname"), ("Geheim", "password"), ("Kürzel", "USERNAME"), ("Mail", "EMAIL")]
        );
        assert!(own.remove("mail") && !own.remove("mail"));
        assert_eq!(own.spigit_title("Mail"), None);
    }

    #[test]
    fn titles_that_cannot_be_meant_are_refused() {
        let mut own = OwnTitles::default();
        assert_eq!(own.set(" ", "EMAIL"), Err(OwnTitleError::TitleInvalid));
        assert_eq!(own.set("Ma\u{200b}il", "EMAIL"), Err(OwnTitleError::TitleInvalid));
        assert_eq!(own.set(&"x".repeat(65), "EMAIL"), Err(OwnTitleError::TitleInvalid));
        assert_eq!(own.set("user name", "EMAIL"), Ok(()));
        assert_eq!(own.set("email", "USERNAME"), Err(OwnTitleError::TitleTaken("EMAIL")));
        assert_eq!(own.set("Mail", "E_MAIL"), Err(OwnTitleError::ColumnUnknown));
        assert_eq!(own.set("Mail", "is_active"), Err(OwnTitleError::ColumnUnknown), "no column of a file");
        for number in 1..MAX_COLUMNS {
            own.set(&format!("title {number}"), "EMAIL").unwrap();
        }
        assert_eq!(own.set("one more", "EMAIL"), Err(OwnTitleError::TooMany));
        assert_eq!(own.set("title 1", "USERNAME"), Ok(()), "another column for a known title");
    }
}
