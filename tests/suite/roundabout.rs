//! Handlers that wait for their own end, not in their own task or not in their own dispatcher.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cqrs_core::prelude::*;
use tokio::sync::mpsc;

use crate::support::stores::on_each_with;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(120);

/// Where a handler finds a dispatcher that it does not get from the framework, and says what became
/// of its waiting.
pub struct Desk {
    app: OnceLock<Dispatcher>,
    told: mpsc::UnboundedSender<String>,
}

impl Desk {
    fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<String>) {
        let (told, listener) = mpsc::unbounded_channel();
        let app = OnceLock::new();
        (Arc::new(Self { app, told }), listener)
    }

    fn app(&self) -> &Dispatcher {
        self.app.get().expect("the test has set it")
    }

    async fn wait(&self) {
        for waited in [
            self.app().wait_until_idle(Duration::MAX).await.map(drop),
            self.app().shutdown(Duration::MAX).await,
        ] {
            let error = waited.expect_err("it waits for itself").to_string();
            self.told.send(error).expect("the test listens");
        }
    }
}

async fn is_refused_twice(listener: &mut mpsc::UnboundedReceiver<String>, handler: &str) {
    for _ in 0..2 {
        let error = listener.recv().await.expect("is told");
        let expected = format!("`{handler}` would wait for its own end: ");
        assert!(error.starts_with(&expected), "{error}");
    }
}

/// So many views are asked for one after another that the fold gets a thread.
mod stops {
    use std::sync::{Arc, OnceLock};

    use cqrs_core::prelude::*;

    cqrs_core::module!();

    /// A fold takes no services.
    pub static DESK: OnceLock<Arc<super::Desk>> = OnceLock::new();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Travel;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "line-traveled", version = 1)]
    pub struct Traveled;

    #[command_handler]
    fn travel(_: Travel) -> Traveled {
        Traveled
    }

    #[derive(ReadModel, Clone, Serialize, Deserialize)]
    pub struct Stop {
        #[key]
        pub number: u32,
    }

    pub struct Line;

    #[projection(name = "line", version = 1)]
    impl Line {
        #[on]
        async fn traveled(_: &Traveled, stops: &mut Views<Stop>) -> Result<()> {
            for number in 0..20 {
                if stops.get(&number)?.is_none() {
                    stops.put(Stop { number });
                }
            }
            DESK.get().expect("the test has set it").wait().await;
            Ok(())
        }
    }
}

#[tokio::test]
async fn a_fold_on_a_thread_that_waits_for_its_own_end_is_refused() {
    let (desk, mut listener) = Desk::new();
    assert!(stops::DESK.set(desk.clone()).is_ok());
    let app = Dispatcher::builder().module(stops::module());
    let app = app.store(Memory::new()).build().await.expect("builds");
    assert!(desk.app.set(app.clone()).is_ok());
    app.execute(stops::Travel).await.expect("travels");
    is_refused_twice(&mut listener, "line").await;
    app.wait_until_idle(LONG).await.expect("comes to rest");
    app.shutdown(LONG).await.expect("all is done");
}

/// The handler of one dispatcher waits for that of another one.
mod office {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Ask;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "office-asked", version = 1)]
    pub struct Asked;

    #[command_handler]
    async fn ask(_: Ask, branch: Service<super::Branch>) -> Asked {
        let asked = branch.0.execute(super::branch::Wait).await;
        asked.expect("has an answer");
        Asked
    }
}

mod branch {
    use cqrs_core::prelude::*;

    cqrs_core::module!();

    #[derive(Command, Clone, Serialize, Deserialize)]
    pub struct Wait;

    #[derive(Event, Serialize, Deserialize)]
    #[event(name = "branch-waited", version = 1)]
    pub struct Waited;

    #[command_handler]
    async fn wait(_: Wait, desk: Service<super::Desk>) -> Waited {
        desk.wait().await;
        Waited
    }
}

pub struct Branch(Dispatcher);

#[tokio::test]
async fn a_handler_that_waits_for_the_end_of_the_one_that_waits_for_it_is_refused() {
    let unused = |builder: cqrs_core::app::Builder| builder.provide(Desk::new().0);
    on_each_with(branch::module(), unused, |first| async move {
        let (desk, mut listener) = Desk::new();
        let branch = Dispatcher::builder().module(branch::module());
        let branch = branch.provide(desk.clone()).stores_of(&first);
        let branch = branch.build().await.expect("builds");
        let office = Dispatcher::builder().module(office::module());
        let office = office.provide(Arc::new(Branch(branch))).stores_of(&first);
        let office = office.build().await.expect("builds");
        assert!(desk.app.set(office.clone()).is_ok());
        office.execute(office::Ask).await.expect("asks");
        is_refused_twice(&mut listener, "ask").await;
        office.shutdown(LONG).await.expect("all is done");
    })
    .await;
}
