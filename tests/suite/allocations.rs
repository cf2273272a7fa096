//! What a call allocates.

use allocation_counter::measure;
use cqrs_core::prelude::*;

cqrs_core::module!();

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = u64)]
pub struct Double {
    number: u64,
}

#[query_handler]
fn double(query: Double) -> u64 {
    query.number * 2
}

#[tokio::test]
async fn a_query_with_a_sync_handler_allocates_nothing() {
    let app = Dispatcher::builder().store(Memory::new()).module(module());
    let app = app.build().await.expect("builds");
    let mut call = std::pin::pin!(None);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut sum = 0;
    let counted = measure(|| {
        for number in 0..100 {
            call.set(Some(app.query(Double { number }).into_future()));
            let poll = call
                .as_mut()
                .as_pin_mut()
                .map(|call| call.poll(&mut context));
            if let Some(std::task::Poll::Ready(Ok(answer))) = poll {
                sum += answer;
            }
        }
    });
    assert_eq!(sum, 9900, "every query was answered at once");
    assert_eq!(counted.count_total, 0);
}
