//! What the commands on tenants print: documents, lists, bars, and terminals of any width.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::emulator::Shop;

/// The keys of a value, or of its first entry.
fn keys(data: &Value) -> BTreeSet<&str> {
    match data {
        Value::Array(entries) => entries.first().map(keys).unwrap_or_default(),
        Value::Object(map) => map.keys().map(String::as_str).collect(),
        _ => BTreeSet::new(),
    }
}

/// A command, its document, and the keys of its data.
type Expected<'a> = (&'a [&'a str], &'a str, &'a [&'a str]);

/// In an order in which each finds what it needs. A key that is renamed or removed needs a new version of its schema.
const DOCUMENTS: [Expected<'static>; 10] = [
    (
        &["add", "acme", "--plan"],
        "cellctl.tenant-plan/v1",
        &["tenant", "cell", "byHand", "epoch", "already", "placement"],
    ),
    (&["place", "acme"], "cellctl.tenant-place/v1", &["tenant", "cell", "current", "verdicts"]),
    (&["add", "acme", "--yes"], "cellctl.tenant-added/v1", &["did", "entry", "placement"]),
    (&["show", "acme"], "cellctl.tenant/v1", &["entry", "cellState", "region", "fence", "fenced", "misfit"]),
    (&["list"], "cellctl.tenant-list/v1", &["tenants", "next"]),
    (&["pin", "acme", "--yes"], "cellctl.tenant-changed/v1", &["did", "before", "entry"]),
    (&["unpin", "acme", "--yes"], "cellctl.tenant-changed/v1", &["did", "before", "entry"]),
    (&["set", "acme", "--weight", "2", "--yes"], "cellctl.tenant-changed/v1", &["did", "before", "entry"]),
    (&["history", "acme", "--limit", "1"], "cellctl.tenant-history/v1", &["records", "before"]),
    (&["remove", "acme", "--yes"], "cellctl.tenant-removed/v1", &["did", "entry"]),
];

#[tokio::test]
async fn every_command_has_a_document_with_stable_names() {
    let shop = Shop::small("tenant_json", &["cell-1"]).await.applied().await;
    for (command, schema, names) in DOCUMENTS {
        let line = [&["tenant"], command, &["--output", "json"]].concat();
        let document = shop.run(&line).await.exits(0).json();
        assert_eq!(document["schema"], schema);
        assert_eq!(keys(&document["data"]), names.iter().copied().collect(), "{command:?}");
    }
    let added = shop.run(&["tenant", "add", "acme", "--yes", "--explain", "--output", "json"]).await.exits(0).json();
    let placement = &added["data"]["placement"];
    assert_eq!(keys(&placement["verdicts"]), ["cell", "rank", "fill", "refusal"].into());
    let entry = keys(&added["data"]["entry"]);
    let always =
        ["format", "tenant", "cell", "epoch", "state", "attributes", "addedAtMs", "changedAtMs", "version", "head"];
    assert_eq!(entry, always.into());
    shop.set_tenants("cell-1", 10).await;
    let full = shop.run(&["tenant", "place", "zeta", "--output", "json"]).await.exits(7).json();
    let refusal = &full["data"]["verdicts"][0]["refusal"];
    assert_eq!(*refusal, serde_json::json!({ "kind": "full-by-count", "tenants": 10, "limit": 10 }));
    let failed = shop.run(&["tenant", "add", "zeta", "--yes", "--output", "json"]).await.exits(7);
    let error: Value = serde_json::from_str(&failed.stderr).expect("one document");
    assert_eq!((&error["schema"], &error["data"]["kind"]), (&"cellctl.error/v1".into(), &"refused".into()));
}

/// Five tenants in two cells.
async fn five(test: &str) -> Shop {
    let shop = Shop::small(test, &["cell-1", "cell-2"]).await.applied().await;
    let lines: [&[&str]; 5] = [
        &["ada", "--to", "cell-1", "--weight", "5", "--tier", "gold"],
        &["bob", "--to", "cell-2", "--weight", "4", "--label", "team=a"],
        &["cyd", "--to", "cell-1", "--weight", "3", "--tier", "gold", "--label", "team=a"],
        &["dan", "--to", "cell-2", "--weight", "2"],
        &["eve", "--to", "cell-1"],
    ];
    for line in lines {
        shop.run(&[&["tenant", "add", "--yes"], line].concat()).await.exits(0);
    }
    shop.run(&["tenant", "pin", "dan", "--yes"]).await.exits(0);
    shop.run(&["tenant", "remove", "eve", "--yes"]).await.exits(0);
    shop
}

/// The names that a list shows, in its order.
async fn names(shop: &Shop, arguments: &[&str]) -> String {
    let line = [&["tenant", "list", "--output", "ndjson"], arguments].concat();
    let output = shop.run(&line).await.exits(0);
    let name = |line: &str| {
        let document: Value = serde_json::from_str(line).expect("a document a line");
        assert_eq!(document["schema"], "cellctl.tenant-entry/v1");
        document["data"]["tenant"].as_str().expect("a name").to_owned()
    };
    output.stdout.lines().map(name).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn tenants_are_filtered_sorted_and_paged() {
    let shop = five("tenant_list").await;
    let expected: [(&[&str], &str); 16] = [
        (&[], "ada bob cyd dan"),
        (&["--removed"], "ada bob cyd dan eve"),
        (&["--state", "removed"], "eve"),
        (&["--cell", "cell-2"], "bob dan"),
        (&["--tier", "gold"], "ada cyd"),
        (&["--label", "team=a"], "bob cyd"),
        (&["--label", "team=a", "--tier", "gold"], "cyd"),
        (&["--region", "eu-central-1", "--pinned"], "dan"),
        (&["--region", "us-east-1"], ""),
        (&["--reverse"], "dan cyd bob ada"),
        (&["--sort", "weight"], "dan cyd bob ada"),
        (&["--sort", "weight", "--reverse", "--after", "bob"], "cyd dan"),
        (&["--sort", "cell"], "ada cyd bob dan"),
        (&["--sort", "added", "--limit", "2"], "ada bob"),
        (&["--sort", "changed", "--reverse", "--limit", "1"], "dan"),
        (&["--after", "bob", "--limit", "1"], "cyd"),
    ];
    for (arguments, wanted) in expected {
        assert_eq!(names(&shop, arguments).await, wanted, "{arguments:?}");
    }
    let page = shop.run(&["tenant", "list", "--limit", "3", "--output", "json"]).await.exits(0).json();
    assert_eq!((page["data"]["tenants"].as_array().map(Vec::len), &page["data"]["next"]), (Some(3), &"cyd".into()));
    let last = shop.run(&["tenant", "list", "--limit", "4", "--output", "json"]).await.exits(0).json();
    assert_eq!(last["data"]["next"], Value::Null);
    let text = shop.run(&["tenant", "list", "--limit", "3"]).await.exits(0);
    assert!(text.stderr.contains("--after cyd") && text.stdout.starts_with("TENANT"), "{text}");
    shop.run(&["tenant", "list", "--sort", "weight", "--after", "nobody"]).await.exits(1).says("no tenant nobody");
    for wrong in [["--limit", "0"], ["--state", "gone"], ["--sort", "colour"], ["--cell", "a b"]] {
        shop.run(&[&["tenant", "list"][..], &wrong].concat()).await.exits(64);
    }
}

#[tokio::test]
async fn only_selected_cells_take_new_tenants() {
    let shop = Shop::small("tenant_select", &["cell-1", "cell-2"]).await.applied().await;
    for (tenant, cell) in [("ada", "cell-1"), ("bob", "cell-2"), ("cyd", "cell-2")] {
        let select = format!("name={cell}");
        let there = format!("{tenant} would go to {cell}: the only cell that takes it");
        shop.run(&["tenant", "place", tenant, "--select", &select]).await.exits(0).says(&there);
        shop.run(&["tenant", "add", tenant, "--yes", "--select", &select]).await.exits(0).says(cell);
    }
    shop.write("more.csv", "tenant,weight\ndan,1\neve,1\nfay,1\nada,1\n");
    let import = ["tenant", "import", "more.csv", "--yes", "--select", "name=cell-2"];
    shop.run(&import).await.exits(0).says("Imported 4 rows: 3 added, 1 unchanged.");
    assert_eq!(names(&shop, &["--cell", "cell-1"]).await, "ada");
    let add = ["tenant", "add", "gus", "--yes", "--to", "cell-1", "--select", "name=cell-2"];
    shop.run(&add).await.exits(64).says("--to names cell cell-1, which --select name=cell-2 leaves out");
}

#[tokio::test]
async fn what_has_no_effect_and_what_is_not_there_is_named() {
    let shop = five("tenant_words").await;
    let said: [(&[&str], i32, &str); 8] = [
        (&["list", "--cell", "nope"], 1, "has no cell nope"),
        (&["history", "ada", "--before", "0"], 0, "There are no older records."),
        (&["unpin", "ada", "--yes"], 0, "ada is not pinned; nothing was changed"),
        (&["pin", "dan", "--yes"], 0, "dan is pinned already; nothing was changed"),
        (&["set", "ada", "--weight", "5", "--yes"], 0, "ada has these attributes already; nothing was changed"),
        (&["show", "ada"], 0, "never changed since"),
        (&["add", "zoe", "--label", "a=1", "--label", "a=2", "--yes"], 64, "--label a is given twice"),
        (&["add", "zoe", "--weight", "-1", "--yes"], 64, "use a whole number from 1 to 1000000000"),
    ];
    for (command, code, words) in said {
        shop.run(&[&["tenant"], command].concat()).await.exits(code).says(words);
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_list_quietly() {
    let shop = five("tenant_pipe").await;
    for output in ["text", "ndjson", "json"] {
        // The reader is gone before the first byte.
        let script = format!("{{ \"$CELLCTL\" tenant list --output {output}; echo \"ended $?\" >&2; }} | exec true");
        let ran = shop.shell(&script).await;
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", "ended 0\n"), "{output}: {ran}");
    }
}

/// What a command prints on a terminal of that width.
pub(super) async fn on_terminal(shop: &Shop, columns: u16, command: &str) -> Vec<String> {
    let script = format!("script -qec 'stty cols {columns}; \"$CELLCTL\" {command}' /dev/null");
    let output = shop.shell(&script).await.exits(0);
    output.stdout.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[tokio::test]
async fn lists_fit_the_terminal() {
    let shop = five("tenant_width").await;
    for columns in [200, 80, 60, 40] {
        for command in ["tenant list", "tenant history cyd", "cell list"] {
            let lines = on_terminal(&shop, columns, &format!("{command} --color never")).await;
            let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(widest <= usize::from(columns), "{command} is {widest} wide on {columns}:\n{}", lines.join("\n"));
        }
    }
    let wide = on_terminal(&shop, 80, "cell list --color never").await.join("\n");
    assert!(wide.contains("FILLED") && wide.contains("2/10") && wide.contains("██░░░░░░░░ 20 %"), "{wide}");
    let narrow = on_terminal(&shop, 60, "tenant list --color never").await.join("\n");
    assert!(narrow.contains("TIER") && !narrow.contains("LABELS"), "{narrow}");
    let coloured = on_terminal(&shop, 80, "tenant list").await.join("\n");
    assert!(coloured.contains('\u{1b}'), "{coloured}");
    let plain = on_terminal(&shop, 80, "tenant list --color never").await.join("\n");
    assert!(!plain.contains('\u{1b}'), "{plain}");
}

#[tokio::test]
async fn bars_say_what_is_full_and_what_has_drifted() {
    let shop = Shop::small("tenant_bars", &["cell-1", "cell-2"]).await;
    shop.edit("cells/cell-2.yaml", "tenants: 10", "tenants: 10, weight: 100");
    let shop = shop.applied().await;
    for (tenants, bar) in [(0, "░░░░░░░░░░ 0 %"), (8, "████████░░ 80 %"), (10, "██████████ 100 %")]
    {
        shop.set_tenants("cell-1", tenants).await;
        shop.run(&["cell", "list"]).await.exits(0).says(bar);
    }
    shop.run(&["cell", "show", "cell-1"]).await.exits(0).says("10 of 10, 100.0 %").says("no room for another tenant");
    let control = shop.control_table();
    shop.aws.set_number(&control, ("LOAD", "cell-2"), "weight", 42).await;
    shop.run(&["cell", "show", "cell-2"]).await.exits(0).says("42 of 100").says("████░░░░░░ 42 %, 58 % left");
    shop.set_tenants("cell-2", -1).await;
    shop.run(&["cell", "list"]).await.exits(0).says("drifted").says("-1/10");
    shop.run(&["cell", "show", "cell-2"]).await.exits(0).says("have drifted from the entries");
}
