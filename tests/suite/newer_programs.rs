//! A rolling deployment in which events have got a newer version: the processes of the older program leave the
//! subscriptions that meet such an event to those of the newer one. Without a newer one, a command or a deadline that
//! needs such an event holds up its instance alone. Two programs serve all tests, so the file is over 500 lines.

use std::sync::Arc;
use std::time::Duration;

use cqrs_core::app::{Builder, Role, SubscriptionHealth, SubscriptionState};
use cqrs_core::prelude::*;
use cqrs_core::{Memory, Receipt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::parked::{parked, until, until_parked};
use crate::support::stores::on_each_twice;

/// What both programs have.
mod house {
    use cqrs_core::prelude::*;
    use tokio::sync::mpsc;

    cqrs_core::module!();

    #[derive(ReadModel, Clone, Default, Serialize, Deserialize)]
    pub struct Usage {
        #[key]
        pub id: u32,
        pub tenths: u32,
        pub readings: u32,
    }

    pub fn fold(id: u32, tenths: u32, meters: &mut Views<Usage>) -> Result<()> {
        let first = Usage {
            id,
            tenths,
            readings: 1,
        };
        meters.upsert(
            &id,
            || first,
            |meter| {
                meter.tenths = tenths;
                meter.readings += 1;
            },
        )
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = Usage)]
    pub struct UsageOf {
        pub meter: u32,
    }

    #[query_handler]
    async fn usage_of(UsageOf { meter }: UsageOf, usage: Read<Usage>) -> Result<Usage> {
        Ok(usage.get(&meter).await?.unwrap_or_default())
    }

    /// Where reactions tell of readings, in tenths.
    pub struct Bills(pub mpsc::UnboundedSender<u32>);

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct OpenDoor;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "door-opened", version = 1)]
    pub struct DoorOpened {
        #[id("house")]
        pub house: u32,
    }

    #[command_handler]
    fn open_door(_: OpenDoor) -> DoorOpened {
        DoorOpened { house: 1 }
    }

    #[derive(ReadModel, Clone, Default, Serialize, Deserialize)]
    pub struct Doors {
        #[key]
        pub house: u32,
        pub opened: u32,
    }

    pub struct Door;

    #[projection(name = "doors", version = 1)]
    impl Door {
        #[on]
        fn opened(event: &DoorOpened, doors: &mut Views<Doors>) -> Result<()> {
            let house = event.house;
            doors.upsert(&house, || Doors { house, opened: 1 }, |it| it.opened += 1)
        }
    }

    #[derive(Query, Clone, Serialize, Deserialize)]
    #[query(returns = u32)]
    pub struct Openings;

    /// An audit of a meter, now or an hour after the order.
    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct OrderAudit {
        pub audit: u32,
        pub meter: u32,
        pub is_now: bool,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "audit-ordered", version = 1)]
    pub struct AuditOrdered {
        #[id("audit")]
        pub audit: u32,
        pub meter: u32,
        pub is_now: bool,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "audit-due", version = 1)]
    pub struct AuditDue {
        #[id("audit")]
        pub audit: u32,
        #[id("meter")]
        pub meter: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "audited", version = 1)]
    pub struct Audited {
        #[id("audit")]
        pub audit: u32,
        pub tenths: u32,
    }

    #[command_handler]
    fn order_audit(cmd: OrderAudit) -> AuditOrdered {
        let OrderAudit {
            audit,
            meter,
            is_now,
        } = cmd;
        AuditOrdered {
            audit,
            meter,
            is_now,
        }
    }

    #[query_handler]
    async fn openings(_: Openings, doors: Read<Doors>) -> Result<u32> {
        Ok(doors.get(&1).await?.map_or(0, |it| it.opened))
    }
}

/// The program whose readings are whole numbers.
mod older {
    use cqrs_core::prelude::*;

    use super::house::{self, AuditDue, AuditOrdered, Audited, Bills, Usage};

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Read {
        #[id(Meter)]
        pub meter: u32,
        pub value: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "gauge-read", version = 1)]
    pub struct MeterRead {
        #[id(Meter)]
        pub meter: u32,
        pub value: u32,
    }

    impl MeterRead {
        fn tenths(&self) -> u32 {
            self.value * 10
        }
    }

    #[derive(Clone, Default)]
    pub struct Meter {
        value: u32,
    }

    #[aggregate(id = u32)]
    impl Meter {
        #[apply]
        fn read(&mut self, event: &MeterRead) {
            self.value = event.value;
        }

        #[apply]
        fn audit_due(&mut self, _: &AuditDue) {}
    }

    #[command_handler]
    fn read(Read { meter, value }: Read, last: &Meter) -> Result<MeterRead, Rejected> {
        ensure!(value >= last.value, "a meter does not run backwards");
        Ok(MeterRead { meter, value })
    }

    /// The newer program has an upcaster of the event, with which the views are the same.
    pub struct Meters;

    #[projection(
        name = "meters",
        version = 1,
        partition = "meter",
        on_failure = "park",
        unchanged = "7ff111fa921dab85"
    )]
    impl Meters {
        #[on]
        fn read(event: &MeterRead, meters: &mut Views<Usage>) -> Result<()> {
            house::fold(event.meter, event.tenths(), meters)
        }
    }

    #[event_handler(name = "bill")]
    fn bill(event: MeterRead, bills: Service<Bills>) -> Result<()> {
        Ok(bills.0.send(event.tenths())?)
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Check {
        #[id(Meter)]
        pub meter: u32,
        pub audit: u32,
    }

    #[command_handler]
    fn check(Check { audit, .. }: Check, meter: &Meter) -> Audited {
        let tenths = meter.value * 10;
        Audited { audit, tenths }
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Audit;

    #[process_manager(name = "audit", id("audit" = u32))]
    impl Audit {
        #[start]
        fn ordered(&mut self, event: &AuditOrdered) -> (Option<Check>, Option<Deadline<AuditDue>>) {
            let AuditOrdered {
                audit,
                meter,
                is_now,
            } = *event;
            let due = Deadline::at(AuditDue { audit, meter }, Timestamp::UNIX_EPOCH);
            (
                is_now.then_some(Check { meter, audit }),
                (!is_now).then_some(due),
            )
        }

        #[due]
        fn due(&mut self, _: &AuditDue) -> End {
            End
        }

        #[on]
        fn audited(&mut self, _: &Audited) -> End {
            End
        }
    }
}

/// The program whose readings are exact.
mod newer {
    use cqrs_core::prelude::*;

    use super::house::{self, AuditDue, AuditOrdered, Audited, Bills, Usage};

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct ReadExactly {
        pub meter: u32,
        pub tenths: u32,
    }

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "gauge-read", version = 2)]
    pub struct MeterRead {
        #[id("meter")]
        pub meter: u32,
        pub tenths: u32,
    }

    impl MeterRead {
        fn tenths(&self) -> u32 {
            self.tenths
        }
    }

    #[derive(Serialize, Deserialize)]
    struct MeterReadV1 {
        meter: u32,
        value: u32,
    }

    #[upcast(event = "gauge-read", from = 1)]
    fn meter_read_v1(MeterReadV1 { meter, value }: MeterReadV1) -> MeterRead {
        let tenths = value * 10;
        MeterRead { meter, tenths }
    }

    #[command_handler]
    fn read_exactly(ReadExactly { meter, tenths }: ReadExactly) -> MeterRead {
        MeterRead { meter, tenths }
    }

    /// With the upcaster, the views are the same.
    pub struct Meters;

    #[projection(
        name = "meters",
        version = 1,
        partition = "meter",
        on_failure = "park",
        unchanged = "1fa055e7b3bb9ae9"
    )]
    impl Meters {
        #[on]
        fn read(event: &MeterRead, meters: &mut Views<Usage>) -> Result<()> {
            house::fold(event.meter, event.tenths(), meters)
        }
    }

    #[event_handler(name = "bill")]
    fn bill(event: MeterRead, bills: Service<Bills>) -> Result<()> {
        Ok(bills.0.send(event.tenths())?)
    }

    #[derive(Clone, Default)]
    pub struct Meter {
        tenths: u32,
    }

    #[aggregate(id = u32)]
    impl Meter {
        #[apply]
        fn read(&mut self, event: &MeterRead) {
            self.tenths = event.tenths;
        }

        #[apply]
        fn audit_due(&mut self, _: &AuditDue) {}
    }

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Check {
        #[id(Meter)]
        pub meter: u32,
        pub audit: u32,
    }

    #[command_handler]
    fn check(Check { audit, .. }: Check, meter: &Meter) -> Audited {
        let tenths = meter.tenths;
        Audited { audit, tenths }
    }

    #[derive(Default, Serialize, Deserialize)]
    pub struct Audit;

    #[process_manager(name = "audit", id("audit" = u32))]
    impl Audit {
        #[start]
        fn ordered(&mut self, event: &AuditOrdered) -> (Option<Check>, Option<Deadline<AuditDue>>) {
            let AuditOrdered {
                audit,
                meter,
                is_now,
            } = *event;
            let due = Deadline::at(AuditDue { audit, meter }, Timestamp::UNIX_EPOCH);
            (
                is_now.then_some(Check { meter, audit }),
                (!is_now).then_some(due),
            )
        }

        #[due]
        fn due(&mut self, _: &AuditDue) -> End {
            End
        }

        #[on]
        fn audited(&mut self, _: &Audited) -> End {
            End
        }
    }
}

use house::{Bills, OpenDoor, Openings, OrderAudit, UsageOf};
use newer::ReadExactly;
use older::Read;

/// Time that no test needs.
const LONG: Duration = Duration::from_secs(60);

type Billed = mpsc::UnboundedReceiver<u32>;

/// Builders of the older program and of the newer one. An event that failed would park its id, or stop, at once.
fn programs([first, second]: [Builder; 2]) -> ([Builder; 2], Billed) {
    let (sender, billed) = mpsc::unbounded_channel();
    let bills = Arc::new(Bills(sender));
    let older = first.module(older::module()).provide(bills.clone());
    let newer = second.module(newer::module()).provide(bills);
    let builders = [older, newer].map(|it| it.retry_for(Duration::from_millis(1)).max_wait(LONG));
    (builders, billed)
}

/// A process of the newer program that only records events.
async fn recorder_beside(older: &Dispatcher) -> Dispatcher {
    let recorder = Dispatcher::builder()
        .module(newer::module())
        .module(house::module())
        .provide(Arc::new(Bills(mpsc::unbounded_channel().0)))
        .stores_of(older)
        .roles([Role::Commands]);
    recorder.build().await.expect("builds")
}

async fn read(app: &Dispatcher, meter: u32, value: u32) -> Receipt {
    app.execute(Read { meter, value }).await.expect("is read")
}

async fn read_exactly(app: &Dispatcher, meter: u32, tenths: u32) -> Receipt {
    let read = app.execute(ReadExactly { meter, tenths });
    read.await.expect("is read")
}

/// The last reading of a meter, and their number.
async fn usage(app: &Dispatcher, meter: u32, after: &Receipt) -> (u32, u32) {
    let usage = app.query(UsageOf { meter }).after(after).await;
    let usage = usage.expect("answers");
    (usage.tenths, usage.readings)
}

/// The next bills, sorted.
async fn bills(billed: &mut Billed, count: usize) -> Vec<u32> {
    let mut all = Vec::new();
    while all.len() < count {
        let next = timeout(LONG, billed.recv()).await;
        all.push(next.expect("in time").expect("a process is there"));
    }
    all.sort_unstable();
    all
}

fn health(app: &Dispatcher, name: &str) -> SubscriptionHealth {
    let mut all = app.health().subscriptions.into_iter();
    all.find(|it| it.name == name).expect("is there")
}

fn is_outdated(app: &Dispatcher, name: &str, handled: impl Into<Option<bool>>) -> bool {
    let handled = handled.into();
    let state = health(app, name).state;
    matches!(state, SubscriptionState::Outdated { is_handled, .. } if is_handled == handled)
}

async fn assert_nothing_is_lost(app: &Dispatcher) {
    let subscriptions = app.subscriptions();
    for name in ["meters", "audit"] {
        let parked = subscriptions.parked(name).await.expect("is read");
        assert!(parked.is_empty(), "{parked:?}");
    }
    for name in ["meters", "bill", "audit"] {
        let skipped = subscriptions.skipped(name).await.expect("is read");
        assert!(skipped.is_empty(), "{skipped:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_subscription_that_meets_a_newer_event_is_left_to_the_newer_program() {
    on_each_twice(house::module(), |builders| async {
        let ([older, newer], mut billed) = programs(builders);
        let older = older.build().await.expect("builds");
        let first = read(&older, 1, 2).await;
        assert_eq!(usage(&older, 1, &first).await, (20, 1));
        assert_eq!(bills(&mut billed, 1).await, [20]);

        let newer = newer.build().await.expect("builds");
        let exact = read_exactly(&newer, 1, 25).await;
        for app in [&newer, &older] {
            assert_eq!(usage(app, 1, &exact).await, (25, 2));
        }
        let of_others = read(&older, 2, 7).await;
        for app in [&newer, &older] {
            assert_eq!(usage(app, 2, &of_others).await, (70, 1));
        }
        assert_eq!(bills(&mut billed, 2).await, [25, 70]);
        for name in ["meters", "bill"] {
            until(|| async { is_outdated(&older, name, true) }, &older).await;
            let state = health(&older, name).state.to_string();
            let text = "event `gauge-read` at position 2 has version 2, this program knows up to 1";
            assert!(state.starts_with("handled by a newer program. "), "{state}");
            assert!(state.contains(text), "{state}");
            assert_eq!(state.matches("position 2").count(), 1, "{state}");
            assert_eq!(health(&newer, name).state, SubscriptionState::Running);
        }
        assert!(older.health().is_ok(), "{:?}", older.health());

        let error = older.execute(Read { meter: 1, value: 9 }).await;
        let error = error.expect_err("its state has a newer event");
        assert!(matches!(error, CommandError::Failed(_)), "{error:?}");
        assert!(error.to_string().contains("update this program"), "{error}");
        let opened = older.execute(OpenDoor).await.expect("is opened");
        for app in [&older, &newer] {
            assert_eq!(app.query(Openings).after(&opened).await.ok(), Some(1));
            assert_nothing_is_lost(app).await;
        }
        assert!(billed.try_recv().is_err(), "each reading is billed once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_newer_program_the_events_wait_for_one() {
    on_each_twice(house::module(), |builders| async {
        let ([older, newer], mut billed) = programs(builders);
        let lease = Duration::from_millis(300);
        let older = older.lease(lease).build().await.expect("builds");
        let recorder = recorder_beside(&older).await;
        let exact = read_exactly(&recorder, 1, 25).await;
        for name in ["meters", "bill"] {
            until(|| async { is_outdated(&older, name, false) }, &older).await;
            assert!(!health(&older, name).is_ok());
            let state = health(&older, name).state.to_string();
            assert!(
                state.starts_with("it waits for a newer program: start one, or skip the event. "),
                "{state}"
            );
        }
        let text = older.health().to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "not ok: 2 of 4 subscriptions, the log ends at position 1"
        );
        for start in ["projection `meters` at", "reaction `bill` at"] {
            let start = format!("{start} position 0: it waits for a newer program: start one");
            assert!(lines.iter().any(|line| line.starts_with(&start)), "{text}");
        }
        assert!(!older.health().is_ok());
        assert!(billed.try_recv().is_err());
        assert_nothing_is_lost(&older).await;

        let newer = newer.build().await.expect("builds");
        for app in [&newer, &older] {
            assert_eq!(usage(app, 1, &exact).await, (25, 1));
        }
        assert_eq!(bills(&mut billed, 1).await, [25]);
        until(|| async { older.health().is_ok() }, &older).await;
        let text = older.health().to_string();
        assert!(text.starts_with("ok: 4 subscriptions, "), "{text}");

        // It goes on where a newer program that is gone has got.
        newer.shutdown(LONG).await.expect("shuts down");
        let last = read(&older, 2, 3).await;
        assert_eq!(usage(&older, 2, &last).await, (30, 1));
        assert_eq!(bills(&mut billed, 1).await, [30]);
        until(|| async { health(&older, "bill").is_ok() }, &older).await;
        assert!(!is_outdated(&older, "bill", true));
    })
    .await;
}

async fn order_audit(app: &Dispatcher, audit: u32, meter: u32, is_now: bool) {
    let order = OrderAudit {
        audit,
        meter,
        is_now,
    };
    app.execute(order).await.expect("is ordered");
}

/// Whether an audit has ended.
async fn has_ended(app: &Dispatcher, audit: u32) -> bool {
    let audit = app.process::<newer::Audit>(&audit).await;
    audit.expect("reads").is_some_and(|it| it.ended.is_some())
}

/// A command of a process manager, and the event of a deadline, may need an event that the older program does not know.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_effect_that_needs_a_newer_event_is_left_to_the_newer_program() {
    for is_now in [true, false] {
        on_each_twice(house::module(), |builders| async {
            let ([older, newer], _billed) = programs(builders);
            let lease = Duration::from_millis(300);
            let older = older.lease(lease).retry_for(LONG).build().await;
            let older = older.expect("builds");
            let recorder = recorder_beside(&older).await;
            order_audit(&older, 1, 1, is_now).await;
            until(|| has_ended(&older, 1), &older).await;
            read_exactly(&recorder, 1, 25).await;

            // Without the newer program it waits, and the other instances go on.
            order_audit(&older, 2, 1, is_now).await;
            until(|| async { is_outdated(&older, "audit", false) }, &older).await;
            let state = health(&older, "audit").state.to_string();
            assert!(state.contains("has version 2"), "{state}");
            assert!(!older.health().is_ok());
            for audit in 3..6 {
                order_audit(&older, audit, 2, is_now).await;
                until(|| has_ended(&older, audit), &older).await;
            }
            until(|| async { is_outdated(&older, "audit", false) }, &older).await;
            assert!(!has_ended(&older, 2).await, "it needs a newer program");
            assert_nothing_is_lost(&older).await;

            let newer = newer.build().await.expect("builds");
            until(|| has_ended(&newer, 2), &newer).await;
            until(|| async { is_outdated(&older, "audit", None) }, &older).await;
            assert_nothing_is_lost(&newer).await;

            // The effect has come, so the older program goes on without the newer one.
            newer.shutdown(LONG).await.expect("shuts down");
            order_audit(&older, 6, 2, is_now).await;
            until(|| has_ended(&older, 6), &older).await;
            until(|| async { health(&older, "audit").is_ok() }, &older).await;
        })
        .await;
    }
}

/// It tries again and again, although its lease ends many times, and parks nothing before the time for that.
#[tokio::test(start_paused = true)]
async fn an_older_program_goes_on_with_the_rest_for_as_long_as_there_is_no_newer_one() {
    let store = Memory::new();
    let builders = [0, 1].map(|_| {
        let builder = Dispatcher::builder().module(house::module());
        builder.store(store.clone())
    });
    let ([older, _newer], _billed) = programs(builders);
    let older = older.retry_for(Duration::MAX).build().await;
    let older = older.expect("builds");
    let recorder = recorder_beside(&older).await;
    read_exactly(&recorder, 1, 25).await;
    order_audit(&older, 2, 1, true).await;
    until(|| async { is_outdated(&older, "audit", false) }, &older).await;
    tokio::time::sleep(LONG * 10).await;
    order_audit(&older, 3, 2, true).await;
    until(|| has_ended(&older, 3), &older).await;
    until(|| async { is_outdated(&older, "audit", false) }, &older).await;
    assert!(!has_ended(&older, 2).await, "it needs a newer program");
    assert_nothing_is_lost(&older).await;
}

/// After a rollback, there is no newer program that could carry it out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_effect_that_nobody_can_carry_out_parks_its_instance_in_the_end() {
    for is_now in [true, false] {
        on_each_twice(house::module(), |builders| async {
            let ([older, newer], _billed) = programs(builders);
            let older = older.retry_for(Duration::from_millis(200)).build().await;
            let older = older.expect("builds");
            let recorder = recorder_beside(&older).await;
            read_exactly(&recorder, 1, 25).await;
            for (audit, meter) in [(1, 1), (2, 1), (3, 2)] {
                order_audit(&older, audit, meter, is_now).await;
            }
            until_parked(&older, "audit", 2).await;
            until(|| has_ended(&older, 3), &older).await;
            let parked = parked(&older, "audit").await;
            for audit in &parked {
                assert!(audit.cause.contains("has version 2"), "{parked:?}");
            }
            let is_parked =
                || async { health(&older, "audit").state == SubscriptionState::Parked { keys: 2 } };
            until(is_parked, &older).await;

            // Whoever skips the event of a command or a deadline skips that.
            let subscriptions = older.subscriptions();
            let skipped = subscriptions.skip("audit", parked[0].first, "never mind");
            skipped.await.expect("is skipped");
            let is_dropped = || async {
                let instance = older.process::<older::Audit>(&1).await;
                let instance = instance.expect("reads").expect("it has begun");
                instance.commands.is_empty() && instance.deadlines.is_empty()
            };
            until(is_dropped, &older).await;
            until_parked(&older, "audit", 1).await;
            // A newer program carries out the others, once they are released.
            let newer = newer.build().await.expect("builds");
            let released = subscriptions.release_all("audit").await;
            assert_eq!(released.expect("releases"), 1);
            until(|| has_ended(&newer, 2), &newer).await;
            newer.wait_until_idle(LONG).await.expect("comes to rest");
            assert!(!has_ended(&newer, 1).await, "it was skipped");
        })
        .await;
    }
}

/// Each of them leaves it to the other one. Then one has it, and goes on with the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_processes_of_an_older_program_one_goes_on() {
    on_each_twice(house::module(), |builders| async {
        let (senders, _billed) = mpsc::unbounded_channel();
        let bills = Arc::new(Bills(senders));
        let build = async |builder: Builder| {
            let older = builder.module(older::module()).provide(bills.clone());
            let older = older.lease(Duration::from_millis(300)).max_wait(LONG);
            older.build().await.expect("builds")
        };
        let [first, second] = builders;
        let (first, second) = (build(first).await, build(second).await);
        let divided = first.subscriptions();
        divided.divide("audit", 4).await.expect("divides");
        let recorder = recorder_beside(&first).await;
        read_exactly(&recorder, 1, 25).await;
        // In all shards, of both processes.
        let waiting = 1..9;
        for audit in waiting.clone() {
            order_audit(&first, audit, 1, true).await;
        }
        let one_waits = || async {
            let apps = [&first, &second];
            apps.map(|app| is_outdated(app, "audit", false)) != [false; 2]
        };
        until(one_waits, &first).await;
        for audit in 101..109 {
            order_audit(&second, audit, 2, true).await;
        }
        for audit in 101..109 {
            until(|| has_ended(&first, audit), &first).await;
        }
        assert_nothing_is_lost(&first).await;

        let newer = Dispatcher::builder()
            .module(newer::module())
            .module(house::module())
            .provide(bills.clone())
            .stores_of(&second);
        let newer = newer.build().await.expect("builds");
        for audit in waiting {
            until(|| has_ended(&newer, audit), &newer).await;
        }
        assert_nothing_is_lost(&newer).await;
        for app in [first, second] {
            until(|| async { is_outdated(&app, "audit", None) }, &app).await;
        }
    })
    .await;
}

/// Two processes of the older program, which tries for this long what needs a newer one.
async fn two_older(builders: [Builder; 2], retry_for: Duration) -> ([Dispatcher; 2], Billed) {
    let (sender, billed) = mpsc::unbounded_channel();
    let bills = Arc::new(Bills(sender));
    let [first, second] = builders.map(|builder| {
        let older = builder.module(older::module()).provide(bills.clone());
        let older = older.lease(Duration::from_millis(300)).max_wait(LONG);
        older.retry_for(retry_for)
    });
    let first = first.build().await.expect("builds");
    let second = second.build().await.expect("builds");
    ([first, second], billed)
}

fn has_left(app: &Dispatcher, name: &str) -> bool {
    let state = health(app, name).state;
    matches!(state, SubscriptionState::Outdated { .. })
}

/// Waits until each of the processes attends for a subscription.
async fn until_all_attend(apps: &[Dispatcher; 2], name: &str) {
    for app in apps {
        until(|| async { !has_left(app, name) }, app).await;
    }
}

/// Each of them leaves the instances to the other one. Once these are parked, both have their share of the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_of_an_older_program_share_the_work_again_once_what_needs_a_newer_one_is_parked()
{
    for is_now in [true, false] {
        on_each_twice(house::module(), |builders| async {
            let (apps, _billed) = two_older(builders, Duration::from_millis(200)).await;
            let [first, second] = &apps;
            let divided = first.subscriptions();
            divided.divide("audit", 8).await.expect("divides");
            let recorder = recorder_beside(first).await;
            read_exactly(&recorder, 1, 25).await;
            // In all shards, of both processes.
            for audit in 1..9 {
                order_audit(first, audit, 1, is_now).await;
            }
            until_parked(first, "audit", 8).await;
            for app in &apps {
                let has_share = || async {
                    let mut shards = health(app, "audit").shards.into_iter();
                    !has_left(app, "audit")
                        && shards.any(|it| it.state != SubscriptionState::Standby)
                };
                until(has_share, app).await;
            }
            for audit in 101..109 {
                order_audit(second, audit, 2, is_now).await;
            }
            for audit in 101..109 {
                until(|| has_ended(first, audit), first).await;
            }
            assert!(apps.iter().all(|app| !has_left(app, "audit")));
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_of_an_older_program_attend_again_once_a_newer_event_is_skipped() {
    on_each_twice(house::module(), |builders| async {
        let (apps, mut billed) = two_older(builders, LONG).await;
        let [first, second] = &apps;
        let recorder = recorder_beside(first).await;
        let exact = read_exactly(&recorder, 1, 25).await;
        let last = read(second, 2, 3).await;
        for name in ["meters", "bill"] {
            for app in &apps {
                until(|| async { has_left(app, name) }, app).await;
            }
            let skipped = first.subscriptions();
            let skipped = skipped.skip(name, exact.first(), "a test reading");
            skipped.await.expect("is skipped");
            until_all_attend(&apps, name).await;
        }
        assert_eq!(usage(second, 2, &last).await, (30, 1));
        assert_eq!(bills(&mut billed, 1).await, [30]);
    })
    .await;
}

/// They have left it to the newer program. The first that goes on is known to be as old as the other one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_of_an_older_program_attend_again_once_the_newer_program_is_gone() {
    on_each_twice(house::module(), |builders| async {
        let (apps, mut billed) = two_older(builders, LONG).await;
        let [first, second] = &apps;
        let recorder = recorder_beside(first).await;
        read_exactly(&recorder, 1, 25).await;
        order_audit(first, 1, 1, true).await;
        for app in &apps {
            until(|| async { has_left(app, "bill") }, app).await;
        }
        let (sender, mut billed_by_newer) = mpsc::unbounded_channel();
        let newer = Dispatcher::builder()
            .module(newer::module())
            .module(house::module())
            .provide(Arc::new(Bills(sender)))
            .stores_of(first);
        let newer = newer.build().await.expect("builds");
        until(|| has_ended(&newer, 1), &newer).await;
        assert_eq!(bills(&mut billed_by_newer, 1).await, [25]);
        newer.wait_until_idle(LONG).await.expect("comes to rest");
        newer.shutdown(LONG).await.expect("shuts down");
        for name in ["meters", "bill", "audit"] {
            until_all_attend(&apps, name).await;
        }
        let last = read(second, 2, 3).await;
        assert_eq!(usage(first, 2, &last).await, (30, 1));
        assert_eq!(bills(&mut billed, 1).await, [30]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_newer_event_that_an_operator_has_skipped_is_in_nobodys_way() {
    on_each_twice(house::module(), |builders| async {
        let ([older, newer], mut billed) = programs(builders);
        let newer = newer.roles([Role::Commands]).build().await.expect("builds");
        let older = older.build().await.expect("builds");
        let exact = read_exactly(&newer, 1, 25).await;
        let last = read(&older, 2, 3).await;
        for name in ["meters", "bill"] {
            let outdated = || async {
                let state = health(&older, name).state;
                matches!(state, SubscriptionState::Outdated { .. })
            };
            until(outdated, &older).await;
            let skipped = older.subscriptions();
            let skipped = skipped.skip(name, exact.first(), "a test reading");
            skipped.await.expect("is skipped");
        }
        assert_eq!(usage(&older, 2, &last).await, (30, 1));
        assert_eq!(usage(&older, 1, &last).await, (0, 0));
        assert_eq!(bills(&mut billed, 1).await, [30]);
    })
    .await;
}
