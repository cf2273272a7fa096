use cqrs_core::Dispatcher;
use cqrs_core::app::{Health, SubscriptionHealth, SubscriptionState};
use metrics::{counter, gauge};

use crate::figures::{figure, truth};

/// Sets the gauges to what is known of a dispatcher now. To be called before each scrape, or at an interval. Reads memory
/// only.
pub fn observe(app: &Dispatcher) {
    let Health {
        head,
        subscriptions,
        state_cache,
    } = app.health();
    gauge!("cqrs_log_position").set(figure(head.get()));
    for subscription in &subscriptions {
        observe_subscription(subscription, subscription.behind(head));
    }
    gauge!("cqrs_live").set(truth(app.liveness().is_ok()));
    gauge!("cqrs_ready").set(truth(app.readiness().is_ok()));
    counter!("cqrs_state_cache_hits_total").absolute(state_cache.hits);
    counter!("cqrs_state_cache_misses_total").absolute(state_cache.misses);
    gauge!("cqrs_state_cache_bytes").set(figure(state_cache.bytes as u64));
}

fn observe_subscription(subscription: &SubscriptionHealth, behind: u64) {
    let of = [
        ("subscription", subscription.name),
        ("kind", subscription.kind.as_str()),
    ];
    gauge!("cqrs_subscription_position", &of).set(figure(subscription.position.get()));
    gauge!("cqrs_subscription_lag", &of).set(figure(behind));
    gauge!("cqrs_subscription_ok", &of).set(truth(subscription.is_ok()));
    let parked = match subscription.state {
        SubscriptionState::Parked { keys } => keys,
        _ => 0,
    };
    gauge!("cqrs_subscription_parked", &of).set(figure(parked));
    gauge!("cqrs_subscription_shards", &of).set(figure(subscription.shards.len() as u64));
    let [name, kind] = of;
    let present = subscription.state.name();
    for state in SubscriptionState::NAMES {
        let is_present = truth(state == present);
        gauge!("cqrs_subscription_state", &[name, kind, ("state", state)]).set(is_present);
    }
}
