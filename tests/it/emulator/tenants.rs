//! `cellctl tenant`: a tenant from its adding to its end, and who may not be added.

use serde_json::Value;

use crate::support::emulator::Shop;

/// A tenant's entry, as `show` prints it.
async fn entry(shop: &Shop, tenant: &str) -> Value {
    let shown = shop.run(&["tenant", "show", tenant, "--output", "json"]).await.exits(0).json();
    shown["data"]["entry"].clone()
}

#[tokio::test]
async fn a_tenant_is_added_changed_pinned_and_removed() {
    let shop = Shop::small("tenant_life", &["cell-1"]).await.applied().await;
    let add = ["tenant", "add", "acme", "--tier", "gold", "--residency", "eu", "--label", "team=a", "--yes"];
    shop.run(&add).await.exits(0).says("acme is in cell-1 (epoch 1): the only cell that takes it, 10 % full with it");
    shop.run(&add).await.exits(0).says("acme is in cell-1 (epoch 1) already; nothing was changed");
    let other = ["tenant", "add", "acme", "--weight", "5", "--yes"];
    shop.run(&other).await.exits(7).says("with other attributes").says("cellctl tenant set acme");

    shop.run(&["tenant", "pin", "acme", "--reason", "audit", "--yes"]).await.exits(0).says("pinned to cell-1: audit");
    shop.run(&["tenant", "pin", "acme", "--yes"]).await.exits(0).says("nothing was changed");
    shop.run(&["tenant", "remove", "acme", "--yes"]).await.exits(7).says("pinned").says("cellctl tenant unpin acme");
    shop.run(&["tenant", "unpin", "acme", "--yes"]).await.exits(0).says("not pinned to cell-1 any more");
    let set = ["tenant", "set", "acme", "--weight", "3", "--no-tier", "--label", "team=b", "--yes"];
    shop.run(&set).await.exits(0).says("label team a → b").says("tier gold → none").says("weight 1 → 3");
    shop.run(&set).await.exits(0).says("nothing was changed");

    let shown = shop.run(&["tenant", "show", "acme"]).await.exits(0);
    let _ = shown.says("OPEN at epoch 1").says("team=b").says("eu-central-1").does_not_say("misfit");
    shop.run(&["tenant", "remove", "acme", "--yes"]).await.exits(0).says("removed from cell-1 (epoch 2)");
    shop.run(&["tenant", "remove", "acme", "--yes"]).await.exits(0).says("was removed before");
    shop.run(&["tenant", "show", "acme"]).await.exits(0).says("CLOSED at epoch 2");
    shop.run(&["tenant", "list"]).await.exits(0).says("There are no such tenants.");
    shop.run(&["tenant", "add", "acme", "--yes"]).await.exits(0).says("epoch 3");

    let history = shop.run(&["tenant", "history", "acme", "--output", "json"]).await.exits(0).json();
    let records = history["data"]["records"].as_array().expect("records");
    let actions: Vec<&str> = records.iter().filter_map(|record| record["record"]["action"].as_str()).collect();
    assert_eq!(actions, ["added", "removed", "set", "unpinned", "pinned", "added"]);
    assert!(records.iter().all(|record| record["record"]["actor"]["user"] == "tester@bench"), "{records:?}");
    shop.run(&["tenant", "history", "acme", "--limit", "2"]).await.exits(0).says("removed").does_not_say("pinned");
    shop.run(&["tenant", "history", "nobody"]).await.exits(1).says("no tenant nobody");
}

#[tokio::test]
async fn nothing_is_changed_without_a_yes() {
    let shop = Shop::small("tenant_asks", &["cell-1"]).await.applied().await;
    shop.run(&["tenant", "add", "acme"]).await.exits(7).says("--yes");
    let plan = shop.run(&["tenant", "add", "acme", "--plan"]).await.exits(0);
    let _ = plan.says("acme would go to cell-1 (epoch 1): the only cell that takes it");
    shop.run(&["tenant", "place", "acme"]).await.exits(0).says("acme would go to cell-1");
    assert_eq!(shop.aws.items(&shop.tenants_table()).await.len(), 0);
    shop.run(&["tenant", "add", "acme", "--yes"]).await.exits(0);
    for command in [&["pin", "acme"][..], &["unpin", "acme"], &["set", "acme", "--weight", "2"], &["remove", "acme"]] {
        let line = [&["tenant"], command].concat();
        shop.run(&line).await.exits(7).says("--yes");
    }
    assert_eq!(entry(&shop, "acme").await["version"], 1);
    shop.run(&["tenant", "add", "acme"]).await.exits(0).says("already");
}

#[tokio::test]
async fn a_name_that_is_not_valid_reaches_nothing() {
    let shop = Shop::small("tenant_names", &["cell-1"]).await;
    let long = "a".repeat(300);
    let names = [
        "",
        long.as_str(),
        "a\nb",
        "a\u{1b}[31mb",
        "a\tb",
        "\u{430}cme",
        "acm\u{e9}",
        "a\u{200b}b",
        "../../etc/passwd",
        "a/b",
        "a..b",
        "a#b",
        "{\"S\":\"a\"}",
        ":v OR attribute_exists(pk)",
        "$(id)",
        "a'--",
        "%2e%2e",
    ];
    for name in names {
        for command in ["add", "place", "show", "history", "pin", "unpin", "remove"] {
            let output = shop.run(&["tenant", command, name]).await.exits(64);
            assert!(output.stdout.is_empty() && !output.stderr.contains("\u{1b}[31m"), "{name:?}\n{output}");
        }
    }
    shop.run(&["tenant", "show", "a#b"]).await.exits(64).says("use 1 to 128 ASCII letters, digits");
    let wrong = [
        ("--to", "../cell"),
        ("--tier", "Gold"),
        ("--region", "frankfurt"),
        ("--residency", "e u"),
        ("--weight", "0"),
        ("--weight", "1000000001"),
        ("--label", "team"),
        ("--label", "team=a,b"),
        ("--label", "te am=a"),
    ];
    for (option, value) in wrong {
        shop.run(&["tenant", "add", "acme", option, value]).await.exits(64).says(option);
    }
    shop.run(&["tenant", "add", "acme", "--weight=-1"]).await.exits(64).says("--weight");
    shop.run(&["tenant", "pin", "acme", "--reason", "a\nb"]).await.exits(64);
    shop.run(&["tenant", "set", "acme"]).await.exits(64);
    shop.run(&["tenant", "set", "acme", "--tier", "gold", "--no-tier"]).await.exits(64);
}

#[tokio::test]
async fn a_cell_that_does_not_take_a_tenant_says_why_and_what_to_do() {
    let shop = Shop::small("tenant_refused", &["cell-1", "cell-2"]).await;
    shop.edit("cells/fleet.yaml", "residency:", "residency:\n    us: [us-east-1]");
    shop.edit("cells/cell-2.yaml", "tenants: 10", "tenants: 1");
    let shop = shop.ready().await;
    let add = |more: &[&'static str]| [&["tenant", "add", "acme", "--yes"], more].concat();
    shop.run(&add(&[])).await.exits(7).says("of 2: 2 not provisioned").says("cellctl apply");
    shop.run(&["apply", "--yes"]).await.exits(0);
    shop.run(&add(&["--to", "cell-7"])).await.exits(1).says("no cell cell-7").says("did you mean cell-");
    // Residency has no override, by hand or not.
    for more in [&["--residency", "us"][..], &["--residency", "us", "--to", "cell-1"], &["--region", "us-east-1"]] {
        shop.run(&add(more)).await.exits(7).says("Region");
    }
    shop.run(&add(&["--residency", "es"])).await.exits(1).says("no residency es").says("fleet.yaml lists eu, us");
    shop.run(&add(&["--dedicated"])).await.exits(7).says("2 not dedicated");

    shop.run(&["cell", "cordon", "cell-1", "--yes"]).await.exits(0);
    shop.run(&add(&["--to", "cell-1"])).await.exits(7).says("cordoned").says("cellctl cell uncordon cell-1");
    shop.run(&["tenant", "add", "first", "--yes"]).await.exits(0).says("first is in cell-2");
    let full = shop.run(&add(&["--explain"])).await.exits(7).says("of 2: 1 full, 1 not active");
    let full = full.says("cellctl cell create NEW --like cell-2");
    assert!(full.stdout.contains("it is full: 1 of 1 tenants") && full.stdout.contains("it is cordoned"), "{full}");
    shop.run(&["tenant", "place", "acme"]).await.exits(7).says("no cell takes acme");
    let _ = shop.run(&["tenant", "list"]).await.exits(0).says("first").does_not_say("acme");
}

#[tokio::test]
async fn the_emptiest_cell_takes_the_next_tenant() {
    let shop = Shop::small("tenant_spread", &["cell-1", "cell-2", "cell-3"]).await.applied().await;
    for number in 0..6 {
        shop.run(&["tenant", "add", &format!("t{number}"), "--yes"]).await.exits(0).says("of 3 cells that take it");
    }
    let cells = shop.run(&["cell", "list", "--output", "json"]).await.exits(0).json();
    for cell in cells["data"].as_array().expect("cells") {
        assert_eq!((&cell["tenants"], &cell["weight"]), (&Value::from(2), &Value::from(2)), "{cell}");
        assert!((cell["share"].as_f64().expect("a share") - 1.0 / 3.0).abs() < 1e-9, "{cell}");
        assert!((cell["headroom"].as_f64().expect("headroom") - 0.8).abs() < 1e-9, "{cell}");
    }
    let explained = shop.run(&["tenant", "place", "t9", "--explain"]).await.exits(0);
    assert!(explained.stdout.contains("30 %") && explained.stdout.contains("RANK"), "{explained}");
    // What a plan would touch.
    shop.edit("cells/cell-2.yaml", "30s", "45s");
    let plan = shop.run(&["plan"]).await.exits(0).says("— 2 tenants, 33.3 % of all");
    let _ = plan.says("Tenants in cells that change: 2 of 6, 33.3 % of all.");
    let plan = shop.run(&["plan", "--output", "json"]).await.exits(0).json();
    assert_eq!(plan["data"]["groups"][0]["tenants"], 2);
}

#[tokio::test]
async fn a_cell_with_tenants_is_not_deleted() {
    let shop = Shop::small("tenant_cell", &["cell-1"]).await.applied().await;
    shop.run(&["tenant", "add", "acme", "--yes"]).await.exits(0);
    shop.run(&["cell", "cordon", "cell-1", "--yes"]).await.exits(0);
    let delete = ["cell", "delete", "cell-1", "--yes"];
    shop.run(&delete).await.exits(7).says("still holds 1 tenants").says("cellctl tenant list --cell cell-1");
    // A counter that says otherwise does not open the way.
    shop.set_tenants("cell-1", 0).await;
    shop.run(&delete).await.exits(7).says("acme");
    shop.run(&["cell", "list"]).await.exits(0).says("cordoned");
    shop.set_tenants("cell-1", 1).await;
    shop.run(&["tenant", "remove", "acme", "--yes"]).await.exits(0);
    shop.run(&delete).await.exits(0).says("is deleted");
}
