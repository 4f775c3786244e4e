//! The checks that every connected service has, in the words of this one.

use connection::doctor as checks;
use service_kit::doctor::Finding;
use store::DeliveryState;

use crate::App;
use crate::health::QUEUE;
use crate::worker::MAX_CLAIMS;

pub(super) async fn database(app: &App) -> Vec<Finding> {
    checks::database("lead-intake", app.store()).await
}

pub(super) async fn disk(app: &App) -> Vec<Finding> {
    checks::disk(app.store(), "leads").await
}

pub(super) async fn queue(app: &App) -> Vec<Finding> {
    checks::queue(app.store(), QUEUE).await
}

pub(super) async fn dead_letters(app: &App) -> Vec<Finding> {
    let dead = checks::dead_letters(app.store(), QUEUE).await;
    let leads = app.store().leads();
    let failed = leads.count(DeliveryState::Failed).await.unwrap_or(0);
    vec![if dead > 0 {
        Finding::warn(format!(
            "{dead} jobs were given up (refused, or claimed {MAX_CLAIMS} times without an outcome); {failed} \
             leads are not delivered"
        ))
        .remedy("`lead-intake dead-letters list` says why; once that is mended: `lead-intake dead-letters retry --all`")
    } else {
        Finding::good("none")
    }]
}

pub(super) async fn connection(app: &App) -> Vec<Finding> {
    checks::connection(app.crm()).await
}

pub(super) async fn token(app: &App) -> Vec<Finding> {
    checks::token(app.crm()).await
}

pub(super) async fn rights(app: &App) -> Vec<Finding> {
    let needs = "`lead-intake provision` needs it, delivery of leads does not";
    checks::rights(app.crm(), needs).await
}

pub(super) async fn alerts(app: &App) -> Vec<Finding> {
    let config = app.config();
    checks::alerts(&config.alerts, &config.smtp).await
}

pub(super) async fn clock(app: &App) -> Vec<Finding> {
    checks::clock(app.crm()).await
}
