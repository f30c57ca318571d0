//! The titles that Collaborator files have, in Ukrainian, Russian and English. Columns are read by position, so titles
//! only tell a title line from a row, and a file with its columns in another order.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{KEYS, MAX_COLUMNS};

/// The titles of each column besides its key: in lower case, letters and digits only, without what is in parentheses.
const TITLES: [&[&str]; MAX_COLUMNS] = [
    &["id", "ід", "ид", "ідентифікатор", "идентификатор", "userid", "employeeid", "табельнийномер", "табельныйномер"],
    &["прізвище", "фамилия", "lastname", "surname", "familyname"],
    &["імя", "имя", "givenname", "forename"],
    &["побатькові", "отчество", "middlename"],
    &["логін", "логин", "username"],
    &["mail", "пошта", "почта", "електроннапошта", "электроннаяпочта", "емейл", "имейл", "emailaddress"],
    &["пароль"],
    &["датанародження", "датарождения", "dateofbirth", "birthday"],
    &["стать", "пол", "sex"],
    &["місто", "город"],
    &["підрозділ", "подразделение", "відділ", "отдел", "департамент"],
    &["посада", "должность", "jobtitle"],
    &["теги", "тэги", "мітки", "метки", "tag"],
    &["телефон", "phonenumber", "номертелефону", "номертелефона", "мобільнийтелефон", "мобильныйтелефон"],
    &["статус"],
    &[
        "employmentdate",
        "hiredate",
        "датаприйому",
        "датаприйомунароботу",
        "датаприйняттянароботу",
        "датапрацевлаштування",
        "датаприема",
        "датаприеманаработу",
        "датаприёма",
        "датаприёманаработу",
        "дататрудоустройства",
    ],
    &["ідgoogle", "идgoogle"],
    &["workcontacts", "wotkcontacts", "робочийконтакт", "робочіконтакти", "рабочийконтакт", "рабочиеконтакты"],
    &[
        "dateofcurrentpositionassignment",
        "датапризначеннянапоточнупосаду",
        "датапризначеннянапосаду",
        "датаназначениянатекущуюдолжность",
        "датаназначениянадолжность",
    ],
    &["departmentcode", "кодпідрозділу", "кодподразделения", "кодвідділу", "кодотдела"],
    &["additionalfield1", "adittionalfield1", "додатковеполе1", "дополнительноеполе1"],
    &["additionalfield2", "adittionalfield2", "додатковеполе2", "дополнительноеполе2"],
    &["additionalfield3", "adittionalfield3", "додатковеполе3", "дополнительноеполе3"],
    &["json"],
    &["мова", "язык"],
    &["additionalfield4", "adittionalfield4", "додатковеполе4", "дополнительноеполе4"],
    &["additionalfield5", "adittionalfield5", "додатковеполе5", "дополнительноеполе5"],
    &["role", "роль"],
    &["manager", "керівник", "руководитель", "менеджер"],
];

/// The position of each title in its short form.
static POSITIONS: LazyLock<HashMap<String, usize>> = LazyLock::new(|| {
    let keys = KEYS.iter().take(MAX_COLUMNS).enumerate().map(|(position, (key, _))| (shorten(key), position));
    let titles = TITLES
        .iter()
        .enumerate()
        .flat_map(|(position, titles)| titles.iter().map(move |title| (shorten(title), position)));
    keys.chain(titles).collect()
});

/// The longest title, in bytes, with room for what is in parentheses.
const MAX_TITLE_BYTES: usize = 256;

/// The column that a title belongs to; `None` if the title is not known.
pub(super) fn position_of_title(title: &str) -> Option<usize> {
    if title.len() > MAX_TITLE_BYTES {
        return None;
    }
    POSITIONS.get(&shorten(title)).copied()
}

/// Whether this is a known title.
pub(super) fn is_title(cell: &str) -> bool {
    position_of_title(cell).is_some()
}

fn shorten(title: &str) -> String {
    let title = title.split('(').next().unwrap_or_default();
    title.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_known_in_three_languages_whatever_their_case_and_signs() {
        for (title, position) in [
            ("ID", 0),
            ("ИД", 0),
            ("Прізвище", 1),
            ("Ім'я", 2),
            ("Ім’я", 2),
            ("First name", 2),
            ("По батькові", 3),
            ("Middle\nname", 3),
            ("E-mail", 5),
            ("Gender (F-1, M-0)", 8),
            ("Status(0 - working, 1 - dismissed)", 14),
            ("Adittional field  2", 21),
            ("customInfo", 23),
            ("manager_uid", 28),
        ] {
            assert_eq!(position_of_title(title), Some(position), "{title}");
        }
        for other in ["", "Ada", "h1@example.net", "20.01.1990", "first", "(id)"] {
            assert_eq!(position_of_title(other), None, "{other}");
        }
    }

    #[test]
    fn no_title_belongs_to_two_columns() {
        let all: Vec<String> = KEYS
            .iter()
            .take(MAX_COLUMNS)
            .map(|(key, _)| shorten(key))
            .chain(TITLES.concat().iter().map(|t| shorten(t)))
            .collect();
        let different: std::collections::HashSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
