//! What is written can be read, and nothing else.

use proptest::prelude::*;

use super::*;
use crate::domain::moves::MoveId;
use crate::domain::tenant::label::LABELS_MAX;
use crate::domain::tenant::{ENTRY_FORMAT, EPOCH_MAX, REASON_MAX};

/// Everything that a snapshot says.
type Whole = (Vec<CellLine>, Vec<EntryLine>, Trailer);

fn read(bytes: &[u8]) -> Result<Whole, SnapshotError> {
    let mut decoder = Decoder::new();
    let (mut cells, mut entries, mut end) = (Vec::new(), Vec::new(), None);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match decoder.line(line)? {
            Item::Header(_) => {}
            Item::Cell(cell) => cells.push(cell),
            Item::Entry(entry) => entries.push(*entry),
            Item::End(trailer) => end = Some(trailer),
        }
    }
    decoder.end()?;
    Ok((cells, entries, end.expect("a decoder that is at its end has seen the trailer")))
}

fn write(entries: &[Entry]) -> (Vec<u8>, Trailer) {
    let mut encoder = Encoder::new(&"shop".parse().expect("valid"), 1_700_000_000_000);
    let mut bytes = Vec::new();
    for entry in entries {
        if entry.is_present() {
            encoder.cell(&CellLine {
                cell: entry.cell.clone(),
                region: Some("eu-central-1".parse().expect("valid")),
                cell_type: Some("shared".to_owned()),
                state: Some(CellState::Active),
            });
        }
        encoder.entry(entry.clone()).expect("in order");
        if encoder.pending() > 200 {
            bytes.extend(encoder.take());
        }
    }
    let (rest, trailer) = encoder.finish();
    bytes.extend(rest);
    (bytes, trailer)
}

fn id<T>(pattern: &'static str) -> impl Strategy<Value = T>
where
    T: std::str::FromStr<Err = crate::domain::ids::InvalidId> + std::fmt::Debug,
{
    pattern.prop_map(|text: String| text.parse().expect("the pattern is valid"))
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let tier = prop::option::of(id::<Tier>("[a-z]{1,8}"));
    let residency = prop::option::of(id::<Residency>("[a-z]{1,4}"));
    let regions = prop::collection::btree_set(id::<Region>("(eu|us)-(west|east)-[1-3]"), 0..3);
    let labels = prop::collection::btree_map("[A-Za-z][A-Za-z0-9._/-]{0,5}", "[^,\\p{Cc}]{0,12}", 0..3);
    (tier, residency, regions, any::<bool>(), any::<bool>(), 1..100_u64, labels).prop_map(
        |(tier, residency, regions, dedicated, canary, weight, labels)| Attributes {
            tier,
            residency,
            regions,
            dedicated,
            canary,
            weight,
            labels,
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let state = prop::sample::select(vec![
        EntryState::Opening,
        EntryState::Active,
        EntryState::Active,
        EntryState::Moving,
        EntryState::Closing,
        EntryState::Removed,
    ]);
    let pin = prop::option::of(
        (prop::option::of("\\P{Cc}{0,9}"), any::<i64>()).prop_map(|(reason, at_ms)| Pin { reason, at_ms }),
    );
    let tenant = id::<TenantId>("[A-Za-z0-9][A-Za-z0-9_-]{0,12}");
    let cell = id::<CellId>("cell-[1-9]");
    (tenant, cell, 1..=EPOCH_MAX, state, attributes(), pin, any::<i64>(), 0..1_000_u64).prop_map(
        |(tenant, cell, epoch, state, attributes, pin, added_at_ms, version)| Entry {
            moving: (state == EntryState::Moving).then(|| Moving {
                id: MoveId { tenant: tenant.clone(), version },
                other: "cell-0".parse().expect("valid"),
            }),
            format: ENTRY_FORMAT,
            tenant,
            cell,
            epoch,
            state,
            attributes,
            pin,
            added_at_ms,
            changed_at_ms: added_at_ms,
            version,
            head: Digest::of(b""),
        },
    )
}

fn map() -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec(entry(), 0..12).prop_map(|entries| {
        let by_name: BTreeMap<TenantId, Entry> = entries.into_iter().map(|e| (e.tenant.clone(), e)).collect();
        by_name.into_values().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_map_is_read_as_it_was_written(entries in map()) {
        let (bytes, written) = write(&entries);
        let (cells, lines, trailer) = read(&bytes).expect("whole");
        let present: Vec<EntryLine> = entries.iter().filter(|e| e.is_present()).cloned().map(EntryLine::from).collect();
        let named: BTreeSet<&CellId> = present.iter().map(|e| &e.cell).collect();
        prop_assert_eq!(cells.iter().map(|c| &c.cell).collect::<BTreeSet<_>>(), named);
        prop_assert_eq!(lines, present);
        prop_assert_eq!(&trailer, &written);
        prop_assert_eq!(trailer.version, entries.iter().map(|e| e.version).sum::<u64>());
        prop_assert_eq!(&write(&entries).0, &bytes, "one state of the map gives one text");
    }

    #[test]
    fn any_cut_is_told(entries in map(), at in any::<prop::sample::Index>()) {
        let (bytes, _) = write(&entries);
        let cut = at.index(bytes.len());
        let error = read(&bytes[..cut]).expect_err("cut off");
        prop_assert!(matches!(error.fault, Fault::CutOff(_)), "{}", error);
    }

    #[test]
    fn any_changed_byte_is_told(entries in map(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let (mut bytes, _) = write(&entries);
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        prop_assert!(read(&bytes).is_err(), "byte {} changed to {}", at, to);
    }

    #[test]
    fn anything_added_or_left_out_is_told(entries in map(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (bytes, _) = write(&entries);
        let at = at.index(bytes.len());
        let mut longer = bytes.clone();
        longer.insert(at, byte);
        prop_assert!(read(&longer).is_err());
        let mut shorter = bytes.clone();
        shorter.remove(at);
        prop_assert!(read(&shorter).is_err());
        prop_assert!(matches!(read(&[bytes.clone(), bytes].concat()).expect_err("twice").fault, Fault::AfterEnd));
    }

    #[test]
    fn garbage_is_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read(&bytes).is_err());
    }
}

fn lines(text: &[&str]) -> Fault {
    let mut whole = text.join("\n");
    whole.push('\n');
    read(whole.as_bytes()).expect_err("refused").fault
}

const HEADER: &str = r#"{"schema":"cellctl.map/v1","format":1,"fleet":"shop","atMs":1}"#;
const CELL: &str = r#"{"cell":"cell-1","region":"eu-central-1"}"#;
const ACME: &str = r#"{"tenant":"acme","cell":"cell-1","epoch":1,"addedAtMs":1}"#;
const BETA: &str = r#"{"tenant":"beta","cell":"cell-1","epoch":1,"addedAtMs":1}"#;

#[test]
fn each_fault_has_its_name() {
    let newer = r#"{"schema":"cellctl.map/v1","format":2,"whatever":{}}"#;
    assert!(matches!(lines(&[newer]), Fault::Newer(_)));
    assert!(matches!(lines(&[r#"{"schema":"cellctl.map/v2"}"#]), Fault::Newer(_)));
    assert!(matches!(lines(&[r#"{"schema":"cellctl.plan/v1"}"#]), Fault::NotSnapshot));
    assert!(matches!(lines(&["tenant,cell"]), Fault::NotSnapshot));
    assert!(matches!(lines(&[HEADER, ACME]), Fault::CellUnknown(_)));
    assert!(matches!(lines(&[HEADER, CELL, CELL]), Fault::CellTwice(_)));
    assert!(matches!(lines(&[HEADER, CELL, BETA, ACME]), Fault::Disorder { .. }));
    assert!(matches!(lines(&[HEADER, CELL, ACME, ACME]), Fault::Duplicate(_)));
    assert!(matches!(lines(&[HEADER, CELL, ACME]), Fault::CutOff(Some(_))));
    assert!(matches!(lines(&[HEADER, CELL, "[]"]), Fault::Malformed(_)));
    let long = format!(r#"{{"tenant":"{}"}}"#, "a".repeat(LINE_BYTES_MAX));
    assert!(matches!(lines(&[HEADER, CELL, &long]), Fault::TooLong));
    for bad in [
        r#"{"tenant":"../etc","cell":"cell-1","epoch":1,"addedAtMs":1}"#,
        r#"{"tenant":"acme","cell":"cell-1","epoch":0,"addedAtMs":1}"#,
        r#"{"tenant":"acme","cell":"cell-1","epoch":1,"weight":0,"addedAtMs":1}"#,
        r#"{"tenant":"acme","cell":"cell-1","epoch":1,"state":"removed","addedAtMs":1}"#,
        r#"{"tenant":"acme","tenant":"beta","cell":"cell-1","epoch":1,"addedAtMs":1}"#,
    ] {
        assert!(matches!(lines(&[HEADER, CELL, bad]), Fault::Malformed(_)), "{bad}");
    }
}

/// A snapshot gives a tenant nothing that no command could.
#[test]
fn a_tenant_is_as_every_command_would_have_it() {
    let with = |field: &str| ACME.replacen("\"epoch\":1", field, 1);
    let labels = |number: usize| {
        let labels: BTreeMap<String, &str> = (0..number).map(|n| (format!("k{n}"), "v")).collect();
        with(&format!(r#""epoch":1,"labels":{}"#, serde_json::to_string(&labels).expect("JSON")))
    };
    let pinned = |reason: &str| with(&format!(r#""epoch":1,"pin":{{"reason":"{reason}","atMs":1}}"#));
    for bad in [
        with(&format!(r#""epoch":{}"#, u64::MAX)),
        with(&format!(r#""epoch":{}"#, EPOCH_MAX + 1)),
        with(r#""epoch":1,"labels":{"1a":"b"}"#),
        with(r#""epoch":1,"labels":{"a":"b\u001b[31m"}"#),
        labels(LABELS_MAX + 1),
        pinned(r"\u001b[31m"),
        pinned(&"a".repeat(REASON_MAX + 1)),
    ] {
        assert!(matches!(lines(&[HEADER, CELL, &bad]), Fault::Malformed(_)), "{bad}");
    }
    for good in [with(&format!(r#""epoch":{EPOCH_MAX}"#)), labels(LABELS_MAX), pinned(&"\u{e4}".repeat(REASON_MAX))] {
        assert!(matches!(lines(&[HEADER, CELL, &good]), Fault::CutOff(Some(_))), "{good}");
    }
}

/// What `docs/map-format.md` tells other readers to do.
#[test]
fn the_checksum_is_that_of_all_but_the_last_67_bytes() {
    let (bytes, trailer) = write(&[]);
    assert_eq!(Digest::of(&bytes[..bytes.len() - 67]), trailer.sha256);
}

#[test]
fn an_entry_in_the_wrong_order_is_not_written() {
    let mut encoder = Encoder::new(&"shop".parse().expect("valid"), 0);
    let entry = |tenant: &str| {
        let line: EntryLine = serde_json::from_str(&ACME.replace("acme", tenant)).expect("valid");
        Entry {
            format: ENTRY_FORMAT,
            attributes: line.attributes(),
            tenant: line.tenant,
            cell: line.cell,
            epoch: line.epoch,
            state: line.state,
            pin: line.pin,
            moving: None,
            added_at_ms: line.added_at_ms,
            changed_at_ms: 0,
            version: 1,
            head: Digest::of(b""),
        }
    };
    encoder.entry(entry("beta")).expect("the first");
    assert!(encoder.entry(entry("acme")).is_err());
}

#[test]
fn the_schema_takes_what_is_written() {
    let validator = jsonschema::draft202012::new(&schema()).expect("a schema");
    let full = r#"{"tenant":"full","cell":"cell-1","epoch":2,"state":"opening","tier":"gold","residency":"eu","regions":["eu-west-1"],"dedicated":true,"canary":true,"weight":7,"labels":{"a":"b"},"pin":{"reason":"x","atMs":3},"addedAtMs":1}"#;
    let (bytes, _) = write(&[]);
    let written = String::from_utf8(bytes).expect("text");
    for line in written.lines().chain([CELL, ACME, full]) {
        let value = serde_json::from_str(line).expect("json");
        assert!(validator.is_valid(&value), "{line}");
    }
    assert!(!validator.is_valid(&serde_json::json!({ "tenant": "acme" })));
    let entry: EntryLine = serde_json::from_str(full).expect("valid");
    assert_eq!(serde_json::to_string(&entry).expect("json"), full, "what is not the default is written");
}
