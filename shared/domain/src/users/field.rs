//! The fields of a profile, each of which has its own column: first the fields of the Spigit sample file in its order,
//! then the fields that only the Collaborator API has.

/// A field of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "FIELDS lists the column and the title of each")]
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

/// Number of fields.
pub const FIELD_COUNT: usize = 47;
/// Number of fields that a Spigit file can have.
pub const SPIGIT_FIELD_COUNT: usize = 22;

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text up to this number of characters.
    Text(usize),
    /// An e-mail address, up to 254 characters (RFC 5321).
    Email,
    /// A calendar date, stored as `YYYY-MM-DD`.
    Date,
    /// A whole number.
    Number,
    /// A JSON value in compact form.
    Json,
}

/// The constant properties of a field.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec {
    /// The field.
    pub field: Field,
    /// Its column in the `users` table and its key in JSON.
    pub column: &'static str,
    /// Its title in a Spigit file; empty if Spigit files do not have it.
    pub spigit_title: &'static str,
    /// Its type.
    pub kind: FieldKind,
    /// Whether a Spigit row must have a value for it.
    pub required: bool,
}

const fn spigit_text(field: Field, column: &'static str, spigit_title: &'static str) -> FieldSpec {
    FieldSpec { field, column, spigit_title, kind: FieldKind::Text(1024), required: false }
}

/// A field that only the Collaborator API has.
const fn collaborator(field: Field, column: &'static str, kind: FieldKind) -> FieldSpec {
    FieldSpec { field, column, spigit_title: "", kind, required: false }
}

const fn collaborator_text(field: Field, column: &'static str) -> FieldSpec {
    collaborator(field, column, FieldKind::Text(1024))
}

const fn spigit_required(field: Field, column: &'static str, spigit_title: &'static str, kind: FieldKind) -> FieldSpec {
    FieldSpec { field, column, spigit_title, kind, required: true }
}

/// Every field, in the order of [`Field`].
pub const FIELDS: [FieldSpec; FIELD_COUNT] = [
    spigit_required(Field::Email, "email", "EMAIL", FieldKind::Email),
    spigit_required(Field::Username, "username", "USERNAME", FieldKind::Text(255)),
    spigit_required(Field::FirstName, "first_name", "FIRST_NM", FieldKind::Text(255)),
    spigit_required(Field::LastName, "last_name", "LAST_NM", FieldKind::Text(255)),
    spigit_text(Field::WorkCity, "work_city", "WORK_CITY"),
    spigit_text(Field::PartnerNr, "partner_nr", "PARTNER_NR"),
    spigit_text(Field::PositionLtxt, "position_ltxt", "POSITION_LTXT"),
    spigit_text(Field::WorkState, "work_state", "WORK_STATE"),
    FieldSpec {
        field: Field::IntfPublishDt,
        column: "intf_publish_dt",
        spigit_title: "INTF_PUBLISH_DT",
        kind: FieldKind::Date,
        required: false,
    },
    spigit_text(Field::PositionStxt, "position_stxt", "POSITION_STXT"),
    spigit_text(Field::JobNm, "job_nm", "JOB_NM"),
    spigit_text(Field::JobView, "job_view", "JOB_VIEW"),
    spigit_text(Field::OrgUnitLtxt, "org_unit_ltxt", "ORG_UNIT_LTXT"),
    spigit_text(Field::OrgUnitStxt, "org_unit_stxt", "ORG_UNIT_STXT"),
    spigit_text(Field::CostCenterNm, "cost_center_nm", "COST_CENTER_NM"),
    spigit_text(Field::CostCtrOrt01, "cost_ctr_ort01", "COST_CTR_ORT01"),
    spigit_text(Field::CostCtrRegio, "cost_ctr_regio", "COST_CTR_REGIO"),
    spigit_text(Field::CostCtrLand1, "cost_ctr_land1", "COST_CTR_LAND1"),
    spigit_text(Field::KnownAsNm, "known_as_nm", "KNOWN_AS_NM"),
    spigit_text(Field::NetworkId, "network_id", "NETWORK_ID"),
    spigit_text(Field::ManagerPnr, "manager_pnr", "MANAGER_PNR"),
    spigit_text(Field::CompanyId, "company_id", "COMPANY_ID"),
    collaborator(Field::Uid, "uid", FieldKind::Text(255)),
    collaborator_text(Field::Patronymic, "patronymic"),
    collaborator(Field::BirthDate, "birth_date", FieldKind::Date),
    collaborator(Field::Gender, "gender", FieldKind::Number),
    collaborator_text(Field::City, "city"),
    collaborator_text(Field::Department, "department"),
    collaborator_text(Field::Position, "position"),
    collaborator(Field::Tags, "tags", FieldKind::Json),
    collaborator_text(Field::Phone, "phone"),
    collaborator_text(Field::BlockedReason, "blocked_reason"),
    collaborator(Field::DateOfEmployment, "date_of_employment", FieldKind::Date),
    collaborator_text(Field::GoogleId, "google_id"),
    collaborator_text(Field::FacebookId, "facebook_id"),
    collaborator_text(Field::WorkContact, "work_contact"),
    collaborator(Field::DateOfAssignment, "date_of_assignment_current_position", FieldKind::Date),
    collaborator(Field::StructureUid, "structure_uid", FieldKind::Json),
    collaborator_text(Field::UserField1, "user_field1"),
    collaborator_text(Field::UserField2, "user_field2"),
    collaborator_text(Field::UserField3, "user_field3"),
    collaborator_text(Field::UserField4, "user_field4"),
    collaborator_text(Field::UserField5, "user_field5"),
    collaborator(Field::CustomInfo, "custom_info", FieldKind::Json),
    collaborator(Field::Language, "language", FieldKind::Text(16)),
    collaborator(Field::RoleId, "role_id", FieldKind::Number),
    collaborator(Field::ManagerUid, "manager_uid", FieldKind::Json),
];

/// The fields of a Spigit file, in the order of the sample file.
pub fn spigit_fields() -> &'static [FieldSpec] {
    &FIELDS[..SPIGIT_FIELD_COUNT]
}

impl Field {
    /// The position of the field in [`FIELDS`] and in every array of values.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The constant properties of the field.
    pub const fn spec(self) -> &'static FieldSpec {
        &FIELDS[self.index()]
    }

    /// The field with this title in a Spigit file, ignoring case.
    pub fn from_spigit_title(title: &str) -> Option<Self> {
        spigit_fields().iter().find(|spec| spec.spigit_title.eq_ignore_ascii_case(title)).map(|spec| spec.field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_in_the_order_of_the_enum() {
        for (index, spec) in FIELDS.iter().enumerate() {
            assert_eq!(spec.field.index(), index, "{}", spec.column);
        }
    }
}
