//! Runs one workload a number of times, for `count`, which counts its instructions.

mod account;
mod enrolment;
mod log;
mod savings;
mod sum;

use std::env::args;
use std::hint::black_box;

use cqrs_core::{Dispatcher, Memory};
use tokio::runtime::Builder;

use account::{Account, Deposit, DepositLater};
use enrolment::Enrol;
use savings::Savings;
use sum::{Add, AddLater};

/// Number of aggregates of a type. All of them are in the state cache after one round.
const AGGREGATES: u32 = 100;

fn main() {
    let mut args = args().skip(1);
    let workload = args.next().expect("names a workload");
    let times = args.next().expect("says how often");
    let times: u32 = times.parse().expect("is a number");
    let runtime = Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime can be built");
    runtime.block_on(async {
        let app = Dispatcher::builder()
            .store(Memory::new())
            .module(sum::module())
            .module(account::module())
            .module(enrolment::module());
        let app = app.build().await.expect("builds");
        match &*workload {
            "query" => {
                for a in 0..u64::from(times) {
                    let sum = app
                        .query(Add {
                            a: black_box(a),
                            b: 1,
                        })
                        .await;
                    black_box(sum.expect("is answered"));
                }
            }
            "query-async" => {
                for a in 0..u64::from(times) {
                    let sum = app
                        .query(AddLater {
                            a: black_box(a),
                            b: 1,
                        })
                        .await;
                    black_box(sum.expect("is answered"));
                }
            }
            "execute" => {
                for number in 0..times {
                    let account = number % AGGREGATES;
                    let receipt = app.execute(Deposit { account, amount: 1 }).await;
                    black_box(receipt.expect("is recorded"));
                }
            }
            "execute-async" => {
                for number in 0..times {
                    let account = number % AGGREGATES;
                    let receipt = app.execute(DepositLater { account, amount: 1 }).await;
                    black_box(receipt.expect("is recorded"));
                }
            }
            "execute-two" => {
                for number in 0..times {
                    let course = number % AGGREGATES;
                    // The last events of the two are different ones.
                    let student = (number + number / AGGREGATES) % AGGREGATES;
                    let receipt = app.execute(Enrol { course, student }).await;
                    black_box(receipt.expect("is recorded"));
                }
            }
            // 20 events each: those of an event without an upcaster, those of the present version beside an
            // upcaster, and those that it converts.
            "fold" => {
                let app = log::with(account::module(), 1).await;
                for _ in 0..times {
                    black_box(app.state::<Account>(&log::ACCOUNT).await.expect("is read"));
                }
            }
            "fold-beside" => {
                let app = log::with(savings::module(), 2).await;
                for _ in 0..times {
                    black_box(app.state::<Savings>(&log::ACCOUNT).await.expect("is read"));
                }
            }
            "fold-old" => {
                let app = log::with(savings::module(), 1).await;
                for _ in 0..times {
                    black_box(app.state::<Savings>(&log::ACCOUNT).await.expect("is read"));
                }
            }
            other => panic!("there is no workload `{other}`"),
        }
    });
}
