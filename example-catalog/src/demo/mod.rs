mod orders;

use std::fmt::Display;
use std::time::Duration;

use cqrs_cli::{BAD, Call, CliError, FAINT, HEADING, events_table, outcome, print_line};
use cqrs_core::store::EventLogExt;
use cqrs_core::{Command, CommandError, CommandId, Dispatcher, Position, Receipt, Session};
use example_catalog::{
    CreateProduct, GetAllProducts, GetPriceHistory, GetProductById, Product, ProductId,
    UpdateProductPrice,
};
use rust_decimal::Decimal;

use crate::tables::{prices, product, products};

/// Maximum time to wait for read models that make no progress.
const MAX_IDLE: Duration = Duration::from_secs(10);

/// Shows the catalog's features, on the given database or on a temporary file.
pub async fn run(call: Call) -> Result<(), CliError> {
    let temporary = tempfile::Builder::new()
        .prefix("example-catalog-")
        .tempdir()?;
    let (call, end) = if call.is_store_named() {
        (call, "kept")
    } else {
        let file = temporary.path().join("catalog.db");
        (
            call.on_store(&file.to_string_lossy())?,
            "removed at the end",
        )
    };
    print_line(format_args!("The product catalog in {call} ({end})"))?;
    let dispatcher = call.create().await?;
    let head = dispatcher.log().head().await?;
    if head > Position::START {
        print_line(
            "It is not empty: commands of an earlier run of the demo are recognized, not repeated.",
        )?;
    }
    let session = dispatcher
        .session()
        .actor(call.actor())
        .after_position(head);
    let demo = Demo {
        dispatcher: &dispatcher,
        session,
    };
    call.run(&dispatcher, demo.show()).await
}

struct Demo<'d> {
    dispatcher: &'d Dispatcher,
    session: Session,
}

impl Demo<'_> {
    async fn show(&self) -> Result<(), CliError> {
        let (p001, p002): (ProductId, ProductId) = (id("P001")?, id("P002")?);
        let laptop = CreateProduct {
            product_id: p001.clone(),
            name: "Laptop Pro".to_owned(),
            description: "High-performance laptop".to_owned(),
            price: Decimal::new(120_000, 2),
        };
        let keyboard = CreateProduct {
            product_id: p002,
            name: "Mechanical Keyboard".to_owned(),
            description: "Clicky and tactile".to_owned(),
            price: Decimal::new(9_550, 2),
        };

        heading("Two products are created")?;
        self.send("P001 for 1200.00", laptop.clone(), Some("create P001"))
            .await?;
        self.send("P002 for 95.50", keyboard, Some("create P002"))
            .await?;
        self.show_products(&p001).await?;

        heading("P001 gets another price")?;
        let reprice = UpdateProductPrice {
            product_id: p001.clone(),
            new_price: Decimal::new(115_000, 2),
        };
        let repriced = self
            .send("P001 to 1150.00", reprice.clone(), Some("reprice P001"))
            .await?;
        self.show_products(&p001).await?;

        heading("Commands that the catalog refuses")?;
        self.send("P001 once more", laptop, None).await?;
        let unknown = UpdateProductPrice {
            product_id: id("P999")?,
            ..reprice.clone()
        };
        self.send("P999 to 1150.00", unknown, None).await?;
        let bad = UpdateProductPrice {
            new_price: Decimal::new(-500, 2),
            ..reprice
        };
        self.send("P001 to -5.00", bad, None).await?;

        self.show_past(&p001, repriced).await?;
        self.show_orders().await?;
        let written = self.session.position();
        self.dispatcher
            .wait_until_caught_up(written, MAX_IDLE)
            .await
            .map_err(CliError::failed)
    }

    /// Sends a command and prints its outcome. `once` derives an id that is the same in every run of
    /// the demo, so that a second run on the same database repeats nothing.
    async fn send<C>(
        &self,
        what: &str,
        command: C,
        once: Option<&str>,
    ) -> Result<Option<Receipt>, CliError>
    where
        C: Command<Error: Display>,
        CliError: From<CommandError<C::Error>>,
    {
        let mut call = self.session.execute(command);
        if let Some(step) = once {
            call = call.id(CommandId::derived("example-catalog demo", step.as_bytes()));
        }
        let (outcome, receipt) = match call.await {
            Ok(receipt) => (outcome(&receipt), Some(receipt)),
            Err(CommandError::Rejected(error)) => (format!("{BAD}rejected{BAD:#}: {error}"), None),
            Err(error) => return Err(error.into()),
        };
        print_line(format_args!("  {:<20}{what:<18}{outcome}", C::NAME))?;
        Ok(receipt)
    }

    async fn show_products(&self, id: &ProductId) -> Result<(), CliError> {
        let one = self
            .session
            .query(GetProductById {
                product_id: id.clone(),
            })
            .await?;
        answer("GetProductById", &products(one.as_slice()))?;
        let all = self.session.query(GetAllProducts::default()).await?;
        answer("GetAllProducts", &products(&all.items))
    }

    async fn show_past(&self, id: &ProductId, repriced: Option<Receipt>) -> Result<(), CliError> {
        heading("The history of P001")?;
        let events = self.dispatcher.history::<Product>(id).all().await?;
        print_line(indented(&events_table(&events, false)))?;
        let periods = self
            .session
            .query(GetPriceHistory {
                product_id: id.clone(),
            })
            .await?;
        answer("GetPriceHistory", &prices(&periods))?;

        let Some(change) = repriced.filter(|receipt| receipt.events() > 0) else {
            return Ok(());
        };
        let before = change.first().before();
        heading(&format!(
            "P001 before the price change, at position {before}"
        ))?;
        let state = self.dispatcher.state::<Product>(id).at(before).await?;
        print_line(indented(&product(id, &state)))?;
        Ok(())
    }
}

fn id(text: &str) -> Result<ProductId, CliError> {
    text.parse().map_err(CliError::failed)
}

fn heading(text: &str) -> Result<(), CliError> {
    print_line(format_args!("\n{HEADING}{text}{HEADING:#}"))?;
    Ok(())
}

/// The answer to a query, under the query's name.
fn answer(query: &str, text: &str) -> Result<(), CliError> {
    print_line(format_args!(
        "\n  {FAINT}{query}{FAINT:#}\n{}",
        indented(text)
    ))?;
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
