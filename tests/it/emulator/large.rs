//! Templates that are too large for a request go through the artifact bucket.

use crate::support::emulator::Shop;

/// Largest template in a request, in bytes. Source: AWS CloudFormation quotas.
const INLINE_BYTES_MAX: usize = 51_200;

#[tokio::test]
async fn a_large_template_goes_through_the_bucket() {
    let shop = Shop::small("large", &["cell-1"]).await;
    let queues: String = (0..30).map(|n| ["    jobs-", &n.to_string(), ": {}\n"].concat()).collect();
    let old = "    orders: { visibilityTimeout: 30s }\n";
    shop.edit("cells/cell-1.yaml", old, &format!("{old}{queues}"));
    let rendered = shop.run(&["render", "cell-1"]).await.exits(0).stdout;
    assert!(rendered.len() > INLINE_BYTES_MAX, "{} bytes", rendered.len());
    let shop = shop.ready().await;
    shop.run(&["apply", "--yes"]).await.exits(0).says("1 done").says("stored templates/");
    let keys = shop.aws.objects(&shop.bucket()).await;
    assert_eq!(keys.keys().filter(|key| key.starts_with("templates/")).count(), 1, "{keys:?}");

    shop.edit("cells/cell-1.yaml", "30s", "45s");
    shop.run(&["apply", "--yes"]).await.exits(0).says("1 done");
    assert_eq!(shop.aws.objects(&shop.bucket()).await.len(), 2);
    let name = format!("{}-orders", shop.stack("cell-1"));
    let timeout = shop.aws.queue(&name, aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout).await;
    assert_eq!(timeout.as_deref(), Some("45"));
    shop.run(&["apply", "--yes"]).await.exits(0).says("No changes.");
}
