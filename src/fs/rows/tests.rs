//! Reading the rows of an import: each format, and everything that can be wrong with one.

use super::*;

const CSV: &str = "tenant,tier,regions,weight,labels,label.owner,cell\n\
    acme,gold,eu-central-1;eu-west-1,3,team=a,\"Doe; Jane\",\n\
    \n\
    beta,,,,,,cell-2\n";

fn read_text(text: &str, format: RowFormat) -> RowsRead {
    read(text.as_bytes(), format).expect("readable")
}

fn names(read: &RowsRead) -> Vec<&str> {
    read.rows.iter().map(|row| row.tenant.as_str()).collect()
}

fn codes(read: &RowsRead) -> Vec<(u64, u64, &str)> {
    read.bad.iter().map(|bad| (bad.at.row, bad.at.line, bad.code)).collect()
}

#[test]
fn the_three_formats_say_the_same() {
    let csv = read_text(CSV, RowFormat::Csv);
    let json = "{\"tenant\":\"acme\",\"tier\":\"gold\",\"regions\":[\"eu-central-1\",\"eu-west-1\"],\"weight\":3,\
        \"labels\":{\"team\":\"a\",\"owner\":\"Doe; Jane\"},\"cell\":null}\n\n{\"tenant\":\"beta\",\"cell\":\"cell-2\",\"tier\":\"\"}";
    let json = read_text(json, RowFormat::JsonLines);
    let yaml = "- tenant: acme\n  tier: gold\n  regions: [eu-central-1, eu-west-1]\n  weight: 3\n  \
        labels: {team: a, owner: 'Doe; Jane'}\n- tenant: beta\n  cell: cell-2\n  tier: ~\n";
    let yaml = read_text(yaml, RowFormat::Yaml);
    let documents = "tenant: acme\nweight: 3\n---\n- {tenant: beta}\n- {tenant: gamma}\n";
    assert_eq!(names(&read_text(documents, RowFormat::Yaml)), ["acme", "beta", "gamma"]);
    for read in [&csv, &json, &yaml] {
        assert_eq!((names(read), codes(read)), (vec!["acme", "beta"], vec![]));
        assert_eq!(read.rows[0].wishes, csv.rows[0].wishes);
        assert_eq!(read.rows[1].cell, csv.rows[1].cell);
    }
    let at = |read: &RowsRead| (read.rows[1].at.row, read.rows[1].at.line);
    assert_eq!((at(&csv), at(&json), at(&yaml)), ((2, 4), (2, 3), (2, 6)));
}

#[test]
fn a_byte_order_mark_windows_lines_and_quoted_line_ends_are_read() {
    let text = "\u{feff}tenant,label.note\r\nacme,\"two\r\nlines\"\r\nbeta,x\r\n";
    let read = read_text(text, RowFormat::Csv);
    assert_eq!(names(&read), ["beta"]);
    assert_eq!(codes(&read), [(1, 2, "invalid-label")]);
    assert_eq!(read.rows[0].at, At { row: 2, line: 4 });
    assert_eq!(names(&read_text("\u{feff}{\"tenant\":\"a\"}\r\n", RowFormat::JsonLines)), ["a"]);
    assert_eq!(names(&read_text("\u{feff}- tenant: a\n", RowFormat::Yaml)), ["a"]);
}

#[test]
fn every_bad_row_is_told_and_the_good_ones_are_kept() {
    let text = "tenant,weight\na,1\nb,x\nc\nd,1,2\n../e,1\na,2\n,\nf,1\n";
    let read = read_text(text, RowFormat::Csv);
    assert_eq!(names(&read), ["a", "f"]);
    let expected = [
        (2, 3, "invalid-value"),
        (3, 4, "wrong-number-of-values"),
        (4, 5, "wrong-number-of-values"),
        (5, 6, "invalid-value"),
        (6, 7, "duplicate-tenant"),
        (7, 8, "no-tenant"),
    ];
    assert_eq!(codes(&read), expected);
    assert!(read.bad[4].message.contains("row 1"));
    let json = "{\"tenant\":\"a\"}\n{\"tenant\":\"b\",\"tier\":\"x\",\"tier\":\"y\"}\n[1]\n{\"tenant\":\n{\"tenant\":5}\n{\"tenant\":\"f\"}";
    let read = read_text(json, RowFormat::JsonLines);
    assert_eq!(names(&read), ["a", "f"]);
    let expected = [(2, 2, "duplicate-field"), (3, 3, "wrong-type"), (4, 4, "not-json"), (5, 5, "wrong-type")];
    assert_eq!(codes(&read), expected);
}

#[test]
fn a_quote_that_is_never_closed_is_about_the_file() {
    let told = |text: &str| {
        let read = read_text(text, RowFormat::Csv);
        let bad = read.bad.last().filter(|bad| bad.code == "quote-not-closed" && bad.is_about_file());
        bad.map(|bad| bad.message.clone())
    };
    let four = "tenant,tier\nq1,\"gold\nq2,gold\nq3,gold\nq4,gold\n";
    let expected = "the quote opened in line 2 is never closed; lines 3 to 5 were taken into it";
    assert_eq!(told(four).as_deref(), Some(expected));
    assert_eq!(told(&four.replace('\n', "\r\n")).as_deref(), Some(expected));
    let two = "tenant,tier\na,\"x \"\" y\"\n\nq1,gold\nq2,\"gold\nq3,gold";
    let expected = "the quote opened in line 5 is never closed; line 6 was taken into it";
    assert_eq!(told(two).as_deref(), Some(expected));
    assert_eq!(told("\"tenant\nacme").as_deref().map(|text| &text[..31]), Some("the quote opened in line 1 is n"));
    assert_eq!(told("tenant,tier\nq1,\"gold").as_deref(), Some("the quote opened in line 2 is never closed"));
    for closed in ["tenant,tier\nq1,5\" gold\n", "tenant,tier\nq1,\"gold\"", "tenant,tier\nq1,\"a\"b\"\n"] {
        assert_eq!(told(closed), None, "{closed:?}");
    }
}

#[test]
fn a_header_that_is_not_understood_is_about_the_file() {
    let read = read_text("tenant,teir,weight,weight\na,x,1,1\n", RowFormat::Csv);
    assert_eq!(codes(&read)[..2], [(0, 1, "unknown-field"), (0, 1, "duplicate-field")]);
    assert!(read.bad[0].is_about_file() && read.bad[0].hint.as_ref().expect("hint").contains("`tier`"));
    let read = read_text("acme,gold\n", RowFormat::Csv);
    assert_eq!(codes(&read).last(), Some(&(0, 1, "no-tenant-column")));
    for format in [RowFormat::Csv, RowFormat::JsonLines] {
        assert_eq!(codes(&read_text("", format)), [(0, 0, "no-rows")]);
    }
    assert_eq!(codes(&read_text("", RowFormat::Yaml)).len(), 1);
}

#[test]
fn rows_that_are_too_long_are_not_held() {
    let long = "x".repeat(LINE_BYTES_MAX + 10);
    let json = format!("{{\"tenant\":\"a\"}}\n{{\"tenant\":\"{long}\"}}\n{{\"tenant\":\"b\"}}\n");
    let read = read_text(&json, RowFormat::JsonLines);
    assert_eq!((names(&read), codes(&read)), (vec!["a", "b"], vec![(2, 2, "row-too-long")]));
    let csv = format!("tenant,label.x\na,1\nb,\"{}\nc,1\n", "y,z\n".repeat(LINE_BYTES_MAX));
    let read = read_text(&csv, RowFormat::Csv);
    assert_eq!((names(&read), codes(&read)), (vec!["a"], vec![(0, 3, "row-too-long")]));
}

#[test]
fn bytes_that_are_no_text_are_a_bad_row() {
    let read = super::read(&b"tenant\na\nb\xff\nc\n"[..], RowFormat::Csv).expect("readable");
    assert_eq!((names(&read), codes(&read)), (vec!["a", "c"], vec![(2, 3, "not-utf-8")]));
    let read = super::read(&b"{\"tenant\":\"a\xff\"}\n{\"tenant\":\"c\"}"[..], RowFormat::JsonLines).expect("readable");
    assert_eq!((names(&read), codes(&read)), (vec!["c"], vec![(1, 1, "not-utf-8")]));
    let read = super::read(&b"- tenant: \xff\n"[..], RowFormat::Yaml).expect("readable");
    assert_eq!(codes(&read), [(0, 0, "not-utf-8")]);
}

#[test]
fn broken_yaml_is_told_with_its_line() {
    for (text, line) in [("- tenant: a\n- tenant: [b\n", 3), ("- tenant: a\n  tenant: b\n", 2)] {
        let read = read_text(text, RowFormat::Yaml);
        assert_eq!(read.bad.len(), 1, "{text:?}: {:?}", read.bad);
        assert_eq!((read.bad[0].code, read.bad[0].at.row), ("not-yaml", 0));
        assert!(read.bad[0].at.line <= line, "{:?}", read.bad);
    }
    let read = read_text("- acme\n- tenant: b\n", RowFormat::Yaml);
    assert_eq!((names(&read), codes(&read)), (vec!["b"], vec![(1, 1, "wrong-type")]));
}

#[test]
fn formats_are_told_by_name() {
    let of = |name: &str| RowFormat::of_path(Path::new(name));
    assert_eq!(of("a/b.CSV"), Some(RowFormat::Csv));
    assert_eq!((of("x.ndjson"), of("x.jsonl")), (Some(RowFormat::JsonLines), Some(RowFormat::JsonLines)));
    assert_eq!((of("x.yml"), of("x.json"), of("-")), (Some(RowFormat::Yaml), None, None));
}
