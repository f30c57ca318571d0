//! Every field of a row is stored and read back, whether few users are written or many, new or changed.

use std::sync::Arc;

use muster_domain::field::{FIELDS, FieldKind, FieldSpec};
use muster_domain::scanner::RecordLimits;
use muster_domain::shape::Columns;
use muster_domain::{CheckedBatch, Format, Handling, Header, TenantId, collaborator, spigit};
use muster_ports::{Applied, BatchToApply, Store, UserKey};
use serde_json::{Map, Value, json};

use super::store::{batch, create_job, create_tenant, lease_split, postgres_store};

/// Fewer users than this and more are written in different ways by Postgres.
const BATCH_SIZES: [usize; 2] = [3, 100];

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_stores_every_field() {
    let folder = tempfile::tempdir().unwrap();
    check(Arc::new(muster_sqlite::SqliteStore::open(folder.path()).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_stores_every_field() {
    check(postgres_store().await).await;
}

async fn check(store: Arc<dyn Store>) {
    for (name, rows) in
        [("spigit", spigit_rows as fn(usize, usize) -> CheckedBatch), ("collaborator", collaborator_rows)]
    {
        for users in BATCH_SIZES {
            let tenant = create_tenant(&*store, &format!("{name} {users}")).await;
            let created = apply(&*store, tenant, rows(users, 1)).await;
            assert_eq!((created.created, created.failed), (users as u64, 0), "{name}, {users} users");
            check_user(&*store, tenant, name, 1).await;
            let updated = apply(&*store, tenant, rows(users, 2)).await;
            assert_eq!((updated.updated, updated.failed), (users as u64, 0), "{name}, {users} users");
            check_user(&*store, tenant, name, 2).await;
            let unchanged = apply(&*store, tenant, rows(users, 2)).await;
            assert_eq!(unchanged.unchanged, users as u64, "{name}, {users} users");
        }
    }
}

/// Applies a batch as a job of its own. The store must not need a second attempt: a database that rejects the batch as
/// a whole is an error here.
async fn apply(store: &dyn Store, tenant: TenantId, rows: CheckedBatch) -> muster_domain::Counts {
    assert!(rows.rejections().is_empty(), "{:?}", rows.rejections()[0]);
    let job = create_job(store, tenant).await;
    let split = lease_split(store, job).await;
    let applied =
        store.apply_batch(BatchToApply { rows: Arc::new(rows), ..batch(tenant, job, 1, (0, 100), &[]) }).await;
    store.finish_split(split.lease, super::store::split_end(1, 1, 100)).await.unwrap();
    store.finish_job(job).await.unwrap().expect("the job is complete");
    match applied.unwrap() {
        Applied::Committed(counts) => counts,
        other => panic!("expected a committed batch, found {other:?}"),
    }
}

/// Checks that the first user of a batch has the value of its row in each field.
async fn check_user(store: &dyn Store, tenant: TenantId, name: &str, round: usize) {
    let user = store.find_user(tenant, UserKey::Username("user0".to_owned())).await.unwrap().expect("the user exists");
    for field in settable(name) {
        let stored = user.values.get(field.column).unwrap_or_else(|| panic!("{name}: {} was not stored", field.column));
        let expected = match field.kind {
            FieldKind::Json => json!([value(field.column, field.kind, 0, round)]).to_string(),
            _ if field.column == "gender" => (round % 2).to_string(),
            _ => value(field.column, field.kind, 0, round),
        };
        assert_eq!(*stored, expected, "{name}: {}", field.column);
    }
    if name == "spigit" {
        let attributes: Value = serde_json::from_str(&user.attributes.expect("the file has another column")).unwrap();
        assert_eq!(attributes, json!({ "badge": format!("badge{round}") }));
    }
}

fn value(column: &str, kind: FieldKind, user: usize, round: usize) -> String {
    match (column, kind) {
        ("username" | "uid", _) => format!("user{user}"),
        (_, FieldKind::Email) => format!("user{user}.{round}@example.com"),
        (_, FieldKind::Date) => format!("2024-01-0{round}"),
        (_, FieldKind::Number) => round.to_string(),
        _ => format!("{column} {round}, a\\b"),
    }
}

fn spigit_rows(users: usize, round: usize) -> CheckedBatch {
    let fields = Columns::Core.fields();
    let titles: Vec<String> =
        fields.iter().map(|field| field.spigit_title.to_owned()).chain(["badge".to_owned()]).collect();
    let mut text = String::new();
    for user in 0..users {
        let quoted = |text: String| format!("\"{text}\"");
        // Spigit files write dates as MM/DD/YYYY.
        let values = fields.iter().map(|field| match field.kind {
            FieldKind::Date => format!("01/0{round}/2024"),
            _ => quoted(value(field.column, field.kind, user, round)),
        });
        text += &values.chain([format!("badge{round}")]).collect::<Vec<_>>().join(",");
        text += "\n";
    }
    let header = Header::from_titles(titles);
    spigit::check_text(&header, Handling::Strict, RecordLimits::default(), 2, text.as_bytes())
}

fn collaborator_rows(users: usize, round: usize) -> CheckedBatch {
    let mut objects = Vec::new();
    for user in 0..users {
        let values = Columns::All.fields().iter().map(|field| {
            let value = match field.kind {
                FieldKind::Json => json!([value(field.column, field.kind, user, round)]),
                _ if field.column == "gender" => json!(round % 2),
                _ => json!(value(field.column, field.kind, user, round)),
            };
            ((collaborator::SHAPE.field_name)(field.field).to_owned(), value)
        });
        let object: Map<String, Value> = values.filter(|(key, _)| key != "blocked_reason").collect();
        objects.push(Value::Object(object).to_string());
    }
    collaborator::check_text(Format::Json, RecordLimits::default(), 1, 1, objects.join("\n").as_bytes())
}

/// The fields that rows of a file can set; the Collaborator API has no use for some of the first ones.
fn settable(name: &str) -> Vec<&'static FieldSpec> {
    let in_api = |field: &&FieldSpec| {
        let key = (collaborator::SHAPE.field_name)(field.field);
        collaborator::column_names().contains(&key) || key == "facebook_id"
    };
    match name {
        "spigit" => Columns::Core.fields().iter().collect(),
        _ => FIELDS.iter().filter(in_api).collect(),
    }
}
