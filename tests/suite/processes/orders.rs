//! Orders that are reserved, paid and shipped, or canceled.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use cqrs_core::prelude::*;

cqrs_core::module!();

/// Orders whose goods cannot be shipped for now.
pub static BROKEN: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Place {
    pub order: u32,
    pub amount: u32,
    pub wait: Wait,
}

/// The time until an order is to be paid.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub enum Wait {
    #[default]
    Long,
    /// Some milliseconds.
    Short(u64),
    Past,
}

impl Place {
    pub fn of(order: u32) -> Self {
        Self {
            order,
            amount: 1,
            wait: Wait::Long,
        }
    }
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Pay {
    pub order: u32,
}

/// Moves the time until which an order is to be paid.
#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Extend {
    pub order: u32,
    pub wait: Wait,
}

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = StockError)]
pub struct Reserve {
    pub order: u32,
    pub amount: u32,
}

#[derive(Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
pub enum StockError {
    #[error("only {left} are left")]
    TooFew { left: u32 },
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Ship {
    pub order: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct CancelOrder {
    pub order: u32,
}

macro_rules! events {
    ($($event:ident $name:literal { $($field:ident: $ty:ty),* })+) => {$(
        #[derive(Event, Serialize, Deserialize)]
        #[event(name = $name, version = 1)]
        pub struct $event {
            #[id("order")]
            pub order: u32,
            $(pub $field: $ty,)*
        }
    )+};
}

events! {
    Placed "placed" { amount: u32, wait: Wait }
    Extended "extended" { wait: Wait }
    Paid "paid" {}
    Reserved "reserved" {}
    Shipped "shipped" {}
    Canceled "canceled" {}
    PaymentDue "payment-due" {}
}

#[command_handler]
fn place(
    Place {
        order,
        amount,
        wait,
    }: Place,
) -> Placed {
    Placed {
        order,
        amount,
        wait,
    }
}

#[command_handler]
fn pay(Pay { order }: Pay) -> Paid {
    Paid { order }
}

#[command_handler]
fn extend(Extend { order, wait }: Extend) -> Extended {
    Extended { order, wait }
}

#[command_handler]
fn reserve(Reserve { order, amount }: Reserve) -> Result<Reserved, StockError> {
    ensure!(amount <= 10, StockError::TooFew { left: 10 });
    Ok(Reserved { order })
}

#[command_handler]
async fn ship(Ship { order }: Ship) -> Result<Shipped, CommandError<Rejected>> {
    let is_broken = BROKEN.lock().is_ok_and(|broken| broken.contains(&order));
    if is_broken {
        return Err(CommandError::failed(Error::message("the van is broken")));
    }
    Ok(Shipped { order })
}

/// Refuses orders with a number that is a multiple of 1,000: nothing takes that.
#[command_handler]
fn cancel(CancelOrder { order }: CancelOrder) -> Result<Canceled, Rejected> {
    let can_be_canceled = order == 0 || order % 1_000 != 0;
    ensure!(can_be_canceled, "it is on its way");
    Ok(Canceled { order })
}

#[derive(Default, Debug, PartialEq, Clone, Copy, Serialize, Deserialize)]
pub enum Stage {
    #[default]
    New,
    Placed,
    Reserved,
    Paid,
    Shipped,
    Canceled,
}

#[derive(Default, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkout {
    pub stage: Stage,
    pub reason: String,
}

#[process_manager(name = "checkout", id("order" = u32))]
impl Checkout {
    #[start]
    fn placed(&mut self, event: &Placed) -> (Reserve, Deadline<PaymentDue>) {
        self.stage = Stage::Placed;
        let Placed {
            order,
            amount,
            wait,
        } = *event;
        let due = PaymentDue { order };
        let deadline = match wait {
            Wait::Long => Deadline::after(due, Duration::from_secs(3600)),
            Wait::Short(millis) => Deadline::after(due, Duration::from_millis(millis)),
            Wait::Past => Deadline::at(due, Timestamp::UNIX_EPOCH),
        };
        (Reserve { order, amount }, deadline)
    }

    #[on]
    fn extended(&mut self, event: &Extended) -> Reschedule<PaymentDue> {
        match event.wait {
            Wait::Long => Reschedule::after(Duration::from_secs(3600)),
            Wait::Short(millis) => Reschedule::after(Duration::from_millis(millis)),
            Wait::Past => Reschedule::at(Timestamp::UNIX_EPOCH),
        }
    }

    #[on]
    fn reserved(&mut self, _: &Reserved) {
        if self.stage == Stage::Placed {
            self.stage = Stage::Reserved;
        }
    }

    #[on]
    fn paid(&mut self, event: &Paid) -> (Cancel<PaymentDue>, Ship) {
        self.stage = Stage::Paid;
        (Cancel::new(), Ship { order: event.order })
    }

    #[on]
    fn shipped(&mut self, _: &Shipped) -> End {
        self.stage = Stage::Shipped;
        End
    }

    #[on]
    fn canceled(&mut self, _: &Canceled) -> End {
        self.stage = Stage::Canceled;
        End
    }

    #[due]
    fn late(&mut self, due: &PaymentDue) -> CancelOrder {
        CancelOrder { order: due.order }
    }

    #[rejected]
    fn refused(&mut self, command: &Reserve, reason: &StockError) -> CancelOrder {
        let StockError::TooFew { left } = reason;
        self.reason = format!("only {left} are left");
        CancelOrder {
            order: command.order,
        }
    }
}
