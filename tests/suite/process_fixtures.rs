//! Given, when, then for process managers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use cqrs_core::prelude::*;
use cqrs_core::testing::process_manager;

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "rental-requested", version = 1)]
pub struct Requested {
    #[id(Rental)]
    pub rental: u32,
    pub bike: u32,
}

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "rental-extended", version = 1)]
pub struct Extended {
    #[id(Rental)]
    pub rental: u32,
    pub hours: u32,
}

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "rental-ended", version = 1)]
pub struct Ended {
    #[id(Rental)]
    pub rental: u32,
}

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "bike-due", version = 1)]
pub struct BikeDue {
    #[id(Rental)]
    pub rental: u32,
}

#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "bike-lost", version = 1)]
pub struct BikeLost {
    #[id(Rental)]
    pub rental: u32,
    pub reminders: u32,
}

/// No step takes it.
#[derive(Event, Debug, PartialEq, Serialize, Deserialize)]
#[event(name = "rental-paid", version = 1)]
pub struct Paid {
    #[id(Rental)]
    pub rental: u32,
}

#[derive(Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[error("bike {bike} has a flat tire")]
pub struct Flat {
    pub bike: u32,
}

#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[command(error = Flat)]
pub struct Unlock {
    pub bike: u32,
}

#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remind {
    pub rental: u32,
    pub reminder: u32,
}

#[derive(Command, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Apologize {
    pub rental: u32,
    pub reason: String,
}

#[derive(Default, Debug, Serialize, Deserialize)]
pub struct Rental {
    pub rental: u32,
    pub reminders: u32,
    pub requested_by: Option<String>,
}

const HOUR: Duration = Duration::from_secs(3600);

#[process_manager(name = "rental", id(Rental = u32))]
impl Rental {
    #[start]
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "it may be any type")]
    fn requested(
        &mut self,
        event: &Requested,
        id: &u32,
        recorded: &Recorded,
    ) -> (Unlock, Deadline<BikeDue>) {
        self.rental = *id;
        self.requested_by.clone_from(&recorded.meta.actor);
        let due = Deadline::after(BikeDue { rental: *id }, HOUR);
        (Unlock { bike: event.bike }, due)
    }

    #[on]
    fn extended(&mut self, event: &Extended) -> Result<Reschedule<BikeDue>> {
        if event.hours == 13 {
            return Err(Error::message("no luck"));
        }
        Ok(Reschedule::after(HOUR * event.hours))
    }

    /// Reminds every hour. After the third time, the bike is lost.
    #[due]
    fn due(
        &mut self,
        due: &BikeDue,
    ) -> (
        Remind,
        Option<Deadline<BikeDue>>,
        Option<Deadline<BikeLost>>,
    ) {
        let rental = due.rental;
        self.reminders += 1;
        let reminder = self.reminders;
        let is_patient = reminder < 3;
        (
            Remind { rental, reminder },
            is_patient.then(|| Deadline::after(BikeDue { rental }, HOUR)),
            (!is_patient).then(|| {
                let reminders = reminder;
                Deadline::at(BikeLost { rental, reminders }, Timestamp::UNIX_EPOCH)
            }),
        )
    }

    #[due]
    fn lost(&mut self, _: &BikeLost) -> End {
        End
    }

    #[on]
    fn ended(&mut self, _: &Ended) -> (Cancel<BikeDue>, End) {
        (Cancel::new(), End)
    }

    #[rejected]
    fn not_unlocked(&mut self, _: &Unlock, reason: &Flat) -> (Apologize, End) {
        let (rental, reason) = (self.rental, reason.to_string());
        (Apologize { rental, reason }, End)
    }

    #[rejected]
    fn not_reminded(&mut self, command: &Remind, reason: &Rejected) -> Apologize {
        let (rental, reason) = (command.rental, reason.to_string());
        Apologize { rental, reason }
    }
}

const REQUESTED: Requested = Requested { rental: 1, bike: 7 };

/// What a failing test says.
fn failure<T>(test: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(test()))).expect_err("the test fails");
    *panic.downcast::<String>().expect("a text")
}

#[test]
fn an_instance_begins_sends_and_waits() {
    process_manager::<Rental>()
        .by(Actor::new("ann"))
        .when(REQUESTED)
        .then_sends(Unlock { bike: 7 })
        .then_deadline(BikeDue { rental: 1 }, HOUR)
        .then_running()
        .then_state(Rental {
            rental: 1,
            reminders: 0,
            requested_by: Some("ann".to_owned()),
        })
        .when(Ended { rental: 1 })
        .then_sends(())
        .then_no_deadline()
        .then_ended();
}

#[test]
fn time_passes_and_deadlines_occur_in_order() {
    process_manager::<Rental>()
        .given(REQUESTED)
        .elapsed(Duration::from_secs(3_599))
        .then_sends(())
        .elapsed(Duration::from_secs(1))
        .then_sends(Remind {
            rental: 1,
            reminder: 1,
        })
        .then_deadline(BikeDue { rental: 1 }, HOUR)
        // The third reminder sets a deadline that is past, which occurs at once.
        .elapsed(HOUR * 3)
        .then_sends(
            (2..=3)
                .map(|reminder| Remind {
                    rental: 1,
                    reminder,
                })
                .collect::<Vec<_>>(),
        )
        .then_no_deadline()
        .then_ended();
}

#[test]
fn a_deadline_is_moved() {
    process_manager::<Rental>()
        .given(REQUESTED)
        .elapsed(HOUR / 2)
        .when(Extended {
            rental: 1,
            hours: 2,
        })
        .then_deadline(BikeDue { rental: 1 }, HOUR * 2)
        .elapsed(HOUR)
        .then_sends(())
        .elapsed(HOUR)
        .then_sends(Remind {
            rental: 1,
            reminder: 1,
        });
}

#[test]
fn rejections_come_back() {
    let reason = || "bike 7 has a flat tire".to_owned();
    process_manager::<Rental>()
        .given(REQUESTED)
        .rejected(Unlock { bike: 7 }, Flat { bike: 7 })
        .then_sends(Apologize {
            rental: 1,
            reason: reason(),
        })
        .then_no_deadline()
        .then_ended();
    process_manager::<Rental>()
        .given(REQUESTED)
        .elapsed(HOUR)
        .rejected(
            Remind {
                rental: 1,
                reminder: 1,
            },
            "no address".into(),
        )
        .then_sends(Apologize {
            rental: 1,
            reason: "no address".to_owned(),
        })
        .then_running();
}

#[test]
fn a_rejection_comes_back_after_the_end() {
    process_manager::<Rental>()
        .given((REQUESTED, Ended { rental: 1 }))
        .rejected(Unlock { bike: 7 }, Flat { bike: 7 })
        .then_sends(Apologize {
            rental: 1,
            reason: "bike 7 has a flat tire".to_owned(),
        })
        .then_ended()
        .then_no_deadline();
}

#[test]
fn instances_are_apart() {
    let second = || Requested { rental: 2, bike: 8 };
    process_manager::<Rental>()
        .given((REQUESTED, second()))
        .when(Ended { rental: 1 })
        .then_ended()
        .of(&2)
        .then_running()
        .elapsed(HOUR)
        .then_sends(Remind {
            rental: 2,
            reminder: 1,
        });
}

#[test]
fn events_without_an_instance_and_late_ones_change_nothing() {
    process_manager::<Rental>()
        .when(Extended {
            rental: 1,
            hours: 13,
        })
        .then_sends(());
    process_manager::<Rental>()
        .given((REQUESTED, Ended { rental: 1 }))
        .when(Extended {
            rental: 1,
            hours: 2,
        })
        .then_no_deadline()
        .then_ended();
}

#[test]
fn the_history_may_have_events_that_no_step_takes() {
    process_manager::<Rental>()
        .given((Paid { rental: 2 }, REQUESTED, Paid { rental: 1 }))
        .then_deadline(BikeDue { rental: 1 }, HOUR)
        .then_running();
    let untaken = failure(|| process_manager::<Rental>().when(Paid { rental: 1 }));
    assert_eq!(untaken, "no step of `rental` takes `rental-paid`");
}

#[test]
fn a_failing_step_is_an_error() {
    process_manager::<Rental>()
        .given(REQUESTED)
        .when(Extended {
            rental: 1,
            hours: 13,
        })
        .then_error("`extended` failed: no luck");
    let unexpected = failure(|| {
        process_manager::<Rental>()
            .given(REQUESTED)
            .when(Extended {
                rental: 1,
                hours: 13,
            })
            .then_sends(())
    });
    assert_eq!(unexpected, "`rental`: `extended` failed: no luck");
}

#[test]
fn differences_are_tables() {
    let sent = failure(|| {
        process_manager::<Rental>().when(REQUESTED).then_sends((
            Unlock { bike: 8 },
            Remind {
                rental: 1,
                reminder: 1,
            },
        ))
    });
    assert_eq!(
        sent,
        "`rental` sent other commands than expected\n\
         \n\
         \x20 expected      | actual\n\
         \x20 Unlock        | Unlock\n\
         ≠   bike: 8     |   bike: 7\n\
         ≠ Remind        | (no command)\n\
         ≠   reminder: 1 |\n\
         ≠   rental: 1   |\n"
    );
    let deadline = failure(|| {
        process_manager::<Rental>()
            .when(REQUESTED)
            .then_deadline(BikeDue { rental: 1 }, HOUR * 2)
    });
    assert_eq!(
        deadline,
        "the deadlines of `rental` differ\n\
         \n\
         \x20 expected                   | actual\n\
         \x20 bike-due v1                | bike-due v1\n\
         ≠   due 1970-01-01T02:00:00Z |   due 1970-01-01T01:00:00Z\n\
         \x20   #rental:1                |   #rental:1\n\
         \x20   rental: 1                |   rental: 1\n"
    );
    let state = failure(|| {
        process_manager::<Rental>()
            .when(REQUESTED)
            .then_state(Rental {
                reminders: 1,
                rental: 1,
                requested_by: None,
            })
    });
    assert!(
        state.contains("≠   reminders: 1       |   reminders: 0"),
        "{state}"
    );
}

#[test]
fn what_cannot_be_is_reported() {
    let unsent = failure(|| {
        process_manager::<Rental>()
            .given(REQUESTED)
            .rejected(Unlock { bike: 8 }, Flat { bike: 8 })
    });
    assert_eq!(
        unsent,
        "`rental`: it has not sent this `Unlock`, or that was rejected already"
    );
    let untaken = failure(|| {
        process_manager::<Rental>()
            .given(REQUESTED)
            .rejected(Unlock { bike: 7 }, Flat { bike: 7 })
            .rejected(
                Apologize {
                    rental: 1,
                    reason: "bike 7 has a flat tire".into(),
                },
                "no".into(),
            )
    });
    assert_eq!(
        untaken,
        "`rental`: it has no `#[rejected]` for `Apologize`, so the instance would be parked"
    );
    let not_begun = failure(|| {
        process_manager::<Rental>()
            .when(Ended { rental: 1 })
            .then_ended()
    });
    assert_eq!(not_begun, "no instance of `rental` has begun for `1`");
    let running = failure(|| process_manager::<Rental>().when(REQUESTED).then_ended());
    assert_eq!(running, "the instance of `rental` has not ended");
}
