//! The keys of the API, which are also the columns of a CSV file, and what each sets.

use super::MAX_COLUMNS;
use super::values::Kind;
use crate::field::Field;
use crate::similar::similar_name;

/// Maximum length of a name in characters.
const MAX_NAME_CHARS: usize = 255;

/// The keys whose values are compared, so that invisible characters in them are removed.
pub(super) const COMPARED_KEYS: [&str; 4] = ["uid", "login", "email", "phone"];

/// What a value sets.
#[derive(Clone, Copy)]
pub(super) enum Target {
    Field(Field, Kind),
    Password,
    Status,
    IsActive,
}

/// The JSON keys; the first [`MAX_COLUMNS`] are also the columns of a CSV file, in their order.
pub(super) const KEYS: [(&str, Target); 31] = {
    use Field as F;
    const fn text(field: Field) -> Target {
        Target::Field(field, Kind::Text(1024))
    }
    const fn name(field: Field) -> Target {
        Target::Field(field, Kind::RequiredText(MAX_NAME_CHARS))
    }
    const fn identifier(field: Field) -> Target {
        Target::Field(field, Kind::Identifier)
    }
    [
        ("uid", identifier(F::Uid)),
        ("secondname", name(F::LastName)),
        ("firstname", name(F::FirstName)),
        ("patronymic", text(F::Patronymic)),
        ("login", identifier(F::Username)),
        ("email", Target::Field(F::Email, Kind::Email)),
        ("password", Target::Password),
        ("birth_date", Target::Field(F::BirthDate, Kind::Date)),
        ("gender", Target::Field(F::Gender, Kind::Gender)),
        ("city", text(F::City)),
        ("department", text(F::Department)),
        ("position", text(F::Position)),
        ("tags", Target::Field(F::Tags, Kind::List)),
        ("phone", text(F::Phone)),
        ("status", Target::Status),
        ("date_of_employment", Target::Field(F::DateOfEmployment, Kind::Date)),
        ("google_id", text(F::GoogleId)),
        ("work_contact", text(F::WorkContact)),
        ("date_of_assignment_current_position", Target::Field(F::DateOfAssignment, Kind::Date)),
        ("structure_uid", Target::Field(F::StructureUid, Kind::List)),
        ("user_field1", text(F::UserField1)),
        ("user_field2", text(F::UserField2)),
        ("user_field3", text(F::UserField3)),
        ("customInfo", Target::Field(F::CustomInfo, Kind::Json)),
        ("language", Target::Field(F::Language, Kind::UnclearableText(16))),
        ("user_field4", text(F::UserField4)),
        ("user_field5", text(F::UserField5)),
        ("role_id", Target::Field(F::RoleId, Kind::Number)),
        ("manager_uid", Target::Field(F::ManagerUid, Kind::List)),
        ("is_active", Target::IsActive),
        ("facebook_id", text(F::FacebookId)),
    ]
};

/// The keys that the vendor's documentation of the single-user call lists as required.
pub const REQUIRED_KEYS: [&str; 5] = ["uid", "secondname", "firstname", "login", "email"];

/// The names of the columns of a CSV file, in their order.
pub fn column_names() -> [&'static str; MAX_COLUMNS] {
    std::array::from_fn(|position| KEYS[position].0)
}

/// The key that was probably meant by a key that is none of the API's.
pub fn similar_key(key: &str) -> Option<&'static str> {
    similar_name(key, KEYS.iter().map(|(key, _)| *key))
}

/// Whether the API has this key.
pub fn is_key(key: &str) -> bool {
    KEYS.iter().any(|(known, _)| *known == key)
}

/// The name of a field in the API.
pub(super) fn key_of(field: Field) -> &'static str {
    key_of_field(field).unwrap_or(field.spec().column)
}

/// The key that sets a field; `None` if the API has none for it.
pub(in crate::rules) fn key_of_field(field: Field) -> Option<&'static str> {
    let sets_field = |target: &Target| matches!(target, Target::Field(set, _) if *set == field);
    KEYS.iter().find(|(_, target)| sets_field(target)).map(|(name, _)| *name)
}

/// The field that a key sets; `None` if it sets none.
pub(in crate::rules) fn field_of_key(key: &str) -> Option<Field> {
    let (_, target) = KEYS.iter().find(|(known, _)| *known == key)?;
    if let Target::Field(field, _) = target { Some(*field) } else { None }
}

/// The column of a CSV file that has a field.
///
/// # Panics
///
/// If no column has the field.
pub fn position_of(field: Field) -> usize {
    let sets_field = |(_, target): &(&str, Target)| matches!(target, Target::Field(set, _) if *set == field);
    KEYS.iter().position(sets_field).expect("a column has the field")
}
