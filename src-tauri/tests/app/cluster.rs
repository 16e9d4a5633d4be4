use fantoccini::Locator;

use crate::support::Home;

#[tokio::test]
async fn without_a_kubeconfig_the_cluster_tab_offers_a_new_cluster() {
    let home = Home::new();
    let nowhere = home.data_dir().join("kubeconfig");
    let app = home.open_with(&[("KUBECONFIG", nowhere.to_str().unwrap())]).await;
    app.page.wait().for_element(Locator::LinkText("Cluster")).await.unwrap().click().await.unwrap();
    app.shows("No cluster chosen").await;
    app.shows("Deploy Flotilla").await;
    app.element("button[aria-label^='Cluster: none chosen']").await.click().await.unwrap();
    app.shows("No kubeconfig names a cluster.").await;
}
