//! A fleet of 10,000 cells, as files: what plans are measured with.

/// Cells, and how many shapes they have.
pub(crate) const CELLS: usize = 10_000;
const SHAPES: usize = 20;

/// A fleet of many cells from the shipped template, with a few shapes.
pub(crate) fn write_fleet(dir: &std::path::Path) {
    let write = |path: &str, text: &str| {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let template = "templates/serverless/template.yaml.j2";
    write(template, &std::fs::read_to_string(root.join(template)).expect("the template"));
    let code = std::fs::read_to_string(root.join("functions/processor/index.py")).expect("the function");
    write("functions/processor/index.py", &code);
    let spec = "spec: { region: eu-central-1, template: serverless }";
    write("cells/fleet.yaml", &format!("apiVersion: cellctl/v1\nkind: Fleet\nmetadata: {{ name: large }}\n{spec}\n"));
    for n in 0..CELLS {
        write(&format!("cells/cell-{n}.yaml"), &definition(n, n % SHAPES));
    }
}

/// A cell with one to five tables, one to four queues and a function. One in a hundred is a canary, one in fifty dedicated.
fn definition(n: usize, shape: usize) -> String {
    use std::fmt::Write as _;
    let kind = if n.is_multiple_of(100) { "canary" } else { "shared" };
    let kind = if n % 50 == 1 { "dedicated" } else { kind };
    let kind = if n == 0 { "zero" } else { kind };
    let region = if n.is_multiple_of(3) { "us-east-1" } else { "eu-central-1" };
    let mut text = format!(
        "apiVersion: cellctl/v1\nkind: Cell\nmetadata: {{ name: cell-{n}, labels: {{ ring: r{} }} }}\nspec:\n  \
         type: {kind}\n  region: {region}\n  capacity: {{ tenants: 500, weight: 10000 }}\n  tables:\n",
        n % 7
    );
    for table in 0..=shape % 5 {
        let _ = write!(
            text,
            "    orders{table}:\n      partitionKey: tenantId\n      sortKey: orderId\n      indexes: {{ byCustomer: \
             {{ partitionKey: customerId }} }}\n      tenant: {{ by: partitionKey }}\n"
        );
    }
    text.push_str("  queues:\n");
    for queue in 0..=shape / 5 {
        let _ = writeln!(
            text,
            "    queue{queue}: {{ visibilityTimeout: 5m, deadLetterAfter: 5, tenant: {{ attribute: tenantId }} }}"
        );
    }
    text.push_str(
        "  functions:\n    processor: { runtime: python3.13, handler: index.handler, code: functions/processor, \
         consumes: [queue0], writes: [orders0] }\n",
    );
    text
}
