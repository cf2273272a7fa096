//! A library that lends books until a day, before the event of that day is renamed and after, and one that has no such
//! event of before any more.

/// The loan whose day no aggregate can fold.
pub const UNLUCKY: u32 = 13;

macro_rules! library {
    ($module:ident, [$($due:tt)*], { $($fee:tt)* }, $due_of:expr, $($upcast:item)?) => {
        #[allow(dead_code, reason = "no program uses all that the others use")]
        pub mod $module {
            use std::time::Duration;

            use cqrs_core::prelude::*;

            use super::UNLUCKY;

            cqrs_core::module!();

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct Lend {
                pub loan: u32,
                pub is_due: bool,
            }

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct Tell {
                pub loan: u32,
                pub news: News,
            }

            #[derive(Command, Clone, Serialize, Deserialize)]
            pub struct Remind {
                pub loan: u32,
            }

            #[derive(Clone, Copy, Serialize, Deserialize)]
            pub enum News {
                Returned,
                Recalled,
                Extended,
                Read,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "book-lent", version = 1)]
            pub struct Lent {
                #[id(Loan)]
                pub loan: u32,
                pub is_due: bool,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "book-told-of", version = 1)]
            pub struct Told {
                #[id(Loan)]
                pub loan: u32,
                pub news: News,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event(name = "book-reminded-of", version = 1)]
            pub struct Reminded {
                #[id(Loan)]
                pub loan: u32,
            }

            #[derive(Event, Serialize, Deserialize)]
            #[event($($due)*)]
            pub struct Due {
                #[id(Loan)]
                pub loan: u32,
                $($fee)*
            }

            $($upcast)?

            #[derive(Default)]
            pub struct Loan {
                pub is_over: bool,
            }

            #[aggregate(id = u32)]
            impl Loan {
                #[apply]
                fn lent(&mut self, _: &Lent) {}

                #[apply]
                fn due(&mut self, event: &Due) {
                    assert!(event.loan != UNLUCKY, "13 brings bad luck");
                    self.is_over = true;
                }
            }

            #[command_handler]
            fn lend(Lend { loan, is_due }: Lend) -> Lent {
                Lent { loan, is_due }
            }

            #[command_handler]
            fn tell(Tell { loan, news }: Tell) -> Told {
                Told { loan, news }
            }

            #[command_handler]
            fn remind(Remind { loan }: Remind) -> Reminded {
                Reminded { loan }
            }

            #[derive(Default, Serialize, Deserialize)]
            pub struct Lending {
                pub news: u32,
            }

            #[process_manager(name = "lending", id(Loan = u32))]
            impl Lending {
                #[start]
                fn lent(&mut self, event: &Lent) -> Deadline<Due> {
                    let due = $due_of(event.loan);
                    if event.is_due {
                        Deadline::at(due, Timestamp::UNIX_EPOCH)
                    } else {
                        Deadline::after(due, Duration::from_secs(3600))
                    }
                }

                #[on]
                fn told(
                    &mut self,
                    event: &Told,
                ) -> (Option<Cancel<Due>>, Option<Reschedule<Due>>, Option<Deadline<Due>>) {
                    self.news += 1;
                    let due = $due_of(event.loan);
                    match event.news {
                        News::Returned => (Some(Cancel::new()), None, None),
                        News::Recalled => (None, Some(Reschedule::at(Timestamp::UNIX_EPOCH)), None),
                        News::Extended => {
                            let due = Deadline::after(due, Duration::from_secs(7200));
                            (None, None, Some(due))
                        }
                        News::Read => (None, None, None),
                    }
                }

                #[due]
                fn due(&mut self, due: &Due) -> Remind {
                    Remind { loan: due.loan }
                }
            }

            pub async fn lend_book(app: &Dispatcher, loan: u32, is_due: bool) {
                app.execute(Lend { loan, is_due }).await.expect("lends");
            }

            pub async fn tell_of(app: &Dispatcher, loan: u32, news: News) {
                app.execute(Tell { loan, news }).await.expect("tells");
            }

            /// The deadlines of a loan: their names and events.
            pub async fn deadlines(app: &Dispatcher, loan: u32) -> Vec<String> {
                let lending = app.process::<Lending>(&loan).await.expect("reads");
                let all = lending.expect("it has begun").deadlines;
                all.iter().map(|it| format!("{} {}", it.name, it.json)).collect()
            }

            pub async fn is_over(app: &Dispatcher, loan: u32) -> bool {
                app.state::<Loan>(&loan).await.expect("is folded").is_over
            }
        }
    };
}

library!(before, [name = "book-overdue", version = 1], {}, |loan| {
    Due { loan }
},);

library!(
    after, [name = "loan-expired", version = 2, was = ["book-overdue"]], { pub fee: u32 },
    |loan| Due { loan, fee: 2 },
    #[upcast(event = "loan-expired", from = 1)]
    fn free(mut old: serde_json::Value) -> serde_json::Value {
        old["fee"] = 0.into();
        old
    }
);

library!(
    without, [name = "loan-expired", version = 2, was = ["book-overdue"]], { pub fee: u32 },
    |loan| Due { loan, fee: 2 },
    #[upcast(event = "loan-expired", from = 1)]
    fn none(_: serde_json::Value) -> Option<serde_json::Value> {
        None
    }
);
