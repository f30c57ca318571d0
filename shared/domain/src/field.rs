//! The profile fields that have a column of their own: first those of the Spigit sample file in its order,
//! then those that only the Collaborator API has.

/// A profile field with a typed column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "FIELDS names the column and the title of each")]
pub enum Field {
    Email,
    Username,
    FirstName,
    LastName,
    WorkCity,
    PartnerNr,
    PositionLtxt,
    WorkState,
    IntfPublishDt,
    PositionStxt,
    JobNm,
    JobView,
    OrgUnitLtxt,
    OrgUnitStxt,
    CostCenterNm,
    CostCtrOrt01,
    CostCtrRegio,
    CostCtrLand1,
    KnownAsNm,
    NetworkId,
    ManagerPnr,
    CompanyId,
    Uid,
    Patronymic,
    BirthDate,
    Gender,
    City,
    Department,
    Position,
    Tags,
    Phone,
    BlockedReason,
    DateOfEmployment,
    GoogleId,
    FacebookId,
    WorkContact,
    DateOfAssignment,
    StructureUid,
    UserField1,
    UserField2,
    UserField3,
    UserField4,
    UserField5,
    CustomInfo,
    Language,
    RoleId,
    ManagerUid,
}

/// How many fields have a column of their own.
pub const FIELD_COUNT: usize = 47;
/// How many of them a Spigit file may have.
pub const SPIGIT_FIELD_COUNT: usize = 22;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text of at most the given number of characters.
    Text(usize),
    /// An e-mail address, at most 254 characters (RFC 5321).
    Email,
    /// A calendar date; kept as `YYYY-MM-DD`.
    Date,
    /// A whole number.
    Number,
    /// A JSON value in compact form.
    Json,
}

/// What is fixed about a field.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec {
    /// The field itself.
    pub field: Field,
    /// Its column in the `users` table and its key in JSON.
    pub column: &'static str,
    /// Its title in a Spigit file; empty if it has none.
    pub spigit_title: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether a Spigit row must have a value for it.
    pub required: bool,
}

const fn spec(field: Field, column: &'static str, spigit_title: &'static str) -> FieldSpec {
    FieldSpec { field, column, spigit_title, kind: FieldKind::Text(1024), required: false }
}

/// A field that only the Collaborator API has.
const fn other(field: Field, column: &'static str, kind: FieldKind) -> FieldSpec {
    FieldSpec { field, column, spigit_title: "", kind, required: false }
}

const fn text(field: Field, column: &'static str) -> FieldSpec {
    other(field, column, FieldKind::Text(1024))
}

const fn required(field: Field, column: &'static str, spigit_title: &'static str, kind: FieldKind) -> FieldSpec {
    FieldSpec { field, column, spigit_title, kind, required: true }
}

/// Every field, in the order of [`Field`].
pub const FIELDS: [FieldSpec; FIELD_COUNT] = [
    required(Field::Email, "email", "EMAIL", FieldKind::Email),
    required(Field::Username, "username", "USERNAME", FieldKind::Text(255)),
    required(Field::FirstName, "first_name", "FIRST_NM", FieldKind::Text(255)),
    required(Field::LastName, "last_name", "LAST_NM", FieldKind::Text(255)),
    spec(Field::WorkCity, "work_city", "WORK_CITY"),
    spec(Field::PartnerNr, "partner_nr", "PARTNER_NR"),
    spec(Field::PositionLtxt, "position_ltxt", "POSITION_LTXT"),
    spec(Field::WorkState, "work_state", "WORK_STATE"),
    FieldSpec {
        field: Field::IntfPublishDt,
        column: "intf_publish_dt",
        spigit_title: "INTF_PUBLISH_DT",
        kind: FieldKind::Date,
        required: false,
    },
    spec(Field::PositionStxt, "position_stxt", "POSITION_STXT"),
    spec(Field::JobNm, "job_nm", "JOB_NM"),
    spec(Field::JobView, "job_view", "JOB_VIEW"),
    spec(Field::OrgUnitLtxt, "org_unit_ltxt", "ORG_UNIT_LTXT"),
    spec(Field::OrgUnitStxt, "org_unit_stxt", "ORG_UNIT_STXT"),
    spec(Field::CostCenterNm, "cost_center_nm", "COST_CENTER_NM"),
    spec(Field::CostCtrOrt01, "cost_ctr_ort01", "COST_CTR_ORT01"),
    spec(Field::CostCtrRegio, "cost_ctr_regio", "COST_CTR_REGIO"),
    spec(Field::CostCtrLand1, "cost_ctr_land1", "COST_CTR_LAND1"),
    spec(Field::KnownAsNm, "known_as_nm", "KNOWN_AS_NM"),
    spec(Field::NetworkId, "network_id", "NETWORK_ID"),
    spec(Field::ManagerPnr, "manager_pnr", "MANAGER_PNR"),
    spec(Field::CompanyId, "company_id", "COMPANY_ID"),
    other(Field::Uid, "uid", FieldKind::Text(255)),
    text(Field::Patronymic, "patronymic"),
    other(Field::BirthDate, "birth_date", FieldKind::Date),
    other(Field::Gender, "gender", FieldKind::Number),
    text(Field::City, "city"),
    text(Field::Department, "department"),
    text(Field::Position, "position"),
    other(Field::Tags, "tags", FieldKind::Json),
    text(Field::Phone, "phone"),
    text(Field::BlockedReason, "blocked_reason"),
    other(Field::DateOfEmployment, "date_of_employment", FieldKind::Date),
    text(Field::GoogleId, "google_id"),
    text(Field::FacebookId, "facebook_id"),
    text(Field::WorkContact, "work_contact"),
    other(Field::DateOfAssignment, "date_of_assignment_current_position", FieldKind::Date),
    other(Field::StructureUid, "structure_uid", FieldKind::Json),
    text(Field::UserField1, "user_field1"),
    text(Field::UserField2, "user_field2"),
    text(Field::UserField3, "user_field3"),
    text(Field::UserField4, "user_field4"),
    text(Field::UserField5, "user_field5"),
    other(Field::CustomInfo, "custom_info", FieldKind::Json),
    other(Field::Language, "language", FieldKind::Text(16)),
    other(Field::RoleId, "role_id", FieldKind::Number),
    other(Field::ManagerUid, "manager_uid", FieldKind::Json),
];

/// The fields of a Spigit file, in the order of its sample.
pub fn spigit_fields() -> &'static [FieldSpec] {
    &FIELDS[..SPIGIT_FIELD_COUNT]
}

impl Field {
    /// The position of the field in [`FIELDS`] and in every array of values.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// What is fixed about the field.
    pub const fn spec(self) -> &'static FieldSpec {
        &FIELDS[self.index()]
    }

    /// Finds the field of a Spigit title, whatever its case.
    pub fn from_spigit_title(title: &str) -> Option<Self> {
        spigit_fields().iter().find(|spec| spec.spigit_title.eq_ignore_ascii_case(title)).map(|spec| spec.field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, spec) in FIELDS.iter().enumerate() {
            assert_eq!(spec.field.index(), index, "{}", spec.column);
        }
    }
}
