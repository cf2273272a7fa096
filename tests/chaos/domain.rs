//! Meters that are read, over and over. Each reading is billed, by a reaction. Visits and parcels, each of which a
//! process manager conducts.

#[path = "parcels.rs"]
pub mod parcels;
#[path = "visits.rs"]
pub mod visits;

use cqrs_core::prelude::*;
use serde::{Deserialize, Serialize};

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct ReadMeter {
    pub meter: u32,
}

#[derive(Command, Clone, Serialize, Deserialize)]
pub struct Bill {
    pub meter: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "meter-read", version = 1)]
pub struct MeterRead {
    #[id("meter")]
    pub meter: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "billed", version = 1)]
pub struct Billed {
    #[id("meter")]
    pub meter: u32,
}

#[command_handler]
fn read(ReadMeter { meter }: ReadMeter) -> MeterRead {
    MeterRead { meter }
}

#[command_handler]
fn bill(Bill { meter }: Bill) -> Billed {
    Billed { meter }
}

#[event_handler(partition = "meter")]
async fn billing(event: MeterRead, app: &Dispatcher) -> Result<()> {
    app.execute(Bill { meter: event.meter }).await?;
    Ok(())
}

/// What a replay of the log has to lead to as well.
#[derive(ReadModel, Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Meter {
    #[key]
    pub id: u32,
    pub readings: u32,
    pub bills: u32,
    /// A sum over the positions of the events, each multiplied by its number.
    pub checksum: u64,
}

impl Meter {
    pub fn change(&mut self, position: Position, is_bill: bool) {
        let count = if is_bill {
            &mut self.bills
        } else {
            &mut self.readings
        };
        *count += 1;
        let number = u64::from(self.readings + self.bills);
        self.checksum = self.checksum.wrapping_add(number * position.get());
    }
}

pub struct Meters;

#[projection(name = "meters", version = 1, partition = "meter")]
impl Meters {
    #[on]
    fn read(event: &MeterRead, recorded: &Recorded, meters: &mut Views<Meter>) -> Result<()> {
        change(event.meter, recorded, meters, false)
    }

    #[on]
    fn billed(event: &Billed, recorded: &Recorded, meters: &mut Views<Meter>) -> Result<()> {
        change(event.meter, recorded, meters, true)
    }
}

fn change(meter: u32, recorded: &Recorded, meters: &mut Views<Meter>, is_bill: bool) -> Result<()> {
    let mut view = meters.get(&meter)?.unwrap_or(Meter {
        id: meter,
        ..Meter::default()
    });
    view.change(recorded.position, is_bill);
    meters.put(view);
    Ok(())
}

/// All meters together, in one shard.
#[derive(ReadModel, Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Total {
    #[key]
    pub street: String,
    pub readings: u32,
}

pub struct Totals;

#[projection(name = "totals", version = 1)]
impl Totals {
    #[on]
    fn read(_: &MeterRead, totals: &mut Views<Total>) -> Result<()> {
        let first = || Total {
            street: "all".to_owned(),
            readings: 1,
        };
        totals.upsert("all", first, |total| total.readings += 1)
    }
}

#[derive(Query, Clone, Serialize, Deserialize)]
#[query(returns = (Vec<Meter>, u32))]
pub struct AllMeters;

#[query_handler]
async fn all_meters(
    _: AllMeters,
    meters: Read<Meter>,
    totals: Read<Total>,
) -> Result<(Vec<Meter>, u32)> {
    let total = totals.get("all").await?.map_or(0, |total| total.readings);
    Ok((meters.find().all().await?, total))
}
