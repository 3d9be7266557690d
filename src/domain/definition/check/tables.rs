//! Tables: keys, indexes, and how a tenant's items are found.
//!
//! Constraint kept: a table that left here can be created, and a move can find every item of a tenant in it.

use super::super::report::{Report, complaint};
use super::super::{CellSpec, KeyType, Table, TableTenant, TenantBy};
use crate::domain::finding::did_you_mean;

/// Checks all tables of a cell.
pub(super) fn check(spec: &CellSpec, report: &mut Report<'_>) {
    for (name, table) in &spec.tables {
        let path = ["spec", "tables", name.as_str()];
        check_keys(&path, table, report);
        check_attributes(&path, table, report);
        if let Some(tenant) = &table.tenant {
            check_tenant(&path, table, tenant, report);
        }
    }
}

fn check_keys(path: &[&str; 3], table: &Table, report: &mut Report<'_>) {
    let hint = "name another attribute, or remove `sortKey`";
    if table.sort_key.as_ref() == Some(&table.partition_key) {
        let message = format!("`{}` is both partition key and sort key", table.partition_key);
        report.value(&[path.as_slice(), &["sortKey"]].concat(), complaint("bad-key", message, hint));
    }
    for (name, index) in &table.indexes {
        if index.sort_key.as_ref() == Some(&index.partition_key) {
            let message = format!("`{}` is both partition key and sort key of the index", index.partition_key);
            report
                .value(&[path.as_slice(), &["indexes", name, "sortKey"]].concat(), complaint("bad-key", message, hint));
        }
    }
}

/// Every key attribute of the table and of its indexes.
fn key_attributes(table: &Table) -> Vec<&str> {
    let of_indexes = table.indexes.values().flat_map(|index| [Some(&index.partition_key), index.sort_key.as_ref()]);
    let of_table = [Some(&table.partition_key), table.sort_key.as_ref()];
    of_table.into_iter().chain(of_indexes).flatten().map(String::as_str).collect()
}

/// `DynamoDB` refuses types of attributes that are no keys.
fn check_attributes(path: &[&str; 3], table: &Table, report: &mut Report<'_>) {
    let keys = key_attributes(table);
    for name in table.attributes.keys().filter(|name| !keys.contains(&name.as_str())) {
        let message = format!("`{name}` is no key of the table or of an index, so it has no type to declare");
        let hint = did_you_mean(name, keys.iter().copied())
            .map_or_else(|| "remove the line".to_owned(), |meant| format!("did you mean `{meant}`?"));
        report.key(&[path.as_slice(), &["attributes", name]].concat(), complaint("unknown-attribute", message, hint));
    }
}

fn check_tenant(path: &[&str; 3], table: &Table, tenant: &TableTenant, report: &mut Report<'_>) {
    let at = [path.as_slice(), &["tenant"]].concat();
    check_fields(&at, tenant, report);
    if tenant.by == TenantBy::Index {
        check_index(&at, table, tenant, report);
    }
    let key = match tenant.by {
        TenantBy::PartitionKey | TenantBy::Prefix => Some(table.partition_key.as_str()),
        TenantBy::Index => tenant.index.as_ref().and_then(|i| table.indexes.get(i)).map(|i| i.partition_key.as_str()),
        TenantBy::Attribute => None,
    };
    if let Some(key) = key.filter(|key| table.attributes.get(*key).is_some_and(|t| *t != KeyType::S)) {
        let message = format!("`{key}` holds the tenant id, but is declared as a number or as binary");
        let hint = format!("tenant ids are text: remove `{key}` from `attributes`");
        report.value(&[at.as_slice(), &["by"]].concat(), complaint("bad-tenant", message, hint));
    }
}

/// Each way of finding a tenant has its own field; those of the others mean nothing beside it.
fn check_fields(at: &[&str], tenant: &TableTenant, report: &mut Report<'_>) {
    let by = by_word(tenant.by);
    for (field, given, belongs_to) in [
        ("index", tenant.index.is_some(), TenantBy::Index),
        ("attribute", tenant.attribute.is_some(), TenantBy::Attribute),
        ("separator", tenant.separator.is_some(), TenantBy::Prefix),
    ] {
        let path = [at, &[field]].concat();
        if given && tenant.by != belongs_to {
            let message = format!("`{field}` has no meaning with `by: {by}`");
            let hint = format!("remove it, or write `by: {}`", by_word(belongs_to));
            report.key(&path, complaint("bad-tenant", message, hint));
        } else if !given && tenant.by == belongs_to && field != "separator" {
            let message = format!("`by: {by}` needs `{field}`");
            let hint = if field == "index" {
                "add `index:` with the name of the index whose partition key is the tenant id"
            } else {
                "add `attribute:` with the name of the attribute that holds the tenant id"
            };
            report.key(at, complaint("bad-tenant", message, hint));
        }
    }
}

fn check_index(at: &[&str], table: &Table, tenant: &TableTenant, report: &mut Report<'_>) {
    let Some(name) = tenant.index.as_ref().filter(|name| !table.indexes.contains_key(*name)) else { return };
    let known = table.indexes.keys().map(String::as_str);
    let hint = did_you_mean(name, known).map_or_else(
        || "add the index below `indexes`, with the tenant id as its partition key".to_owned(),
        |meant| format!("did you mean `{meant}`?"),
    );
    let message = format!("the table has no index `{name}`");
    report.value(&[at, &["index"]].concat(), complaint("unknown-reference", message, hint));
}

fn by_word(by: TenantBy) -> &'static str {
    match by {
        TenantBy::PartitionKey => "partitionKey",
        TenantBy::Prefix => "prefix",
        TenantBy::Index => "index",
        TenantBy::Attribute => "attribute",
    }
}
