//! Invoice numbers have no gap and no double.

use cqrs_core::prelude::*;
use cqrs_core::store::EventQuery;

use crate::support::race;
use crate::support::stores::on_each;

cqrs_core::module!();

#[derive(Command, Clone, Serialize, Deserialize)]
#[command(error = NoAmount)]
pub struct IssueInvoice {
    #[id(InvoiceBook)]
    pub year: u16,
    pub amount: u32,
}

#[derive(Event, Serialize, Deserialize)]
#[event(name = "invoice-issued", version = 1)]
pub struct InvoiceIssued {
    #[id(InvoiceBook)]
    pub year: u16,
    #[id(Invoice)]
    pub number: u32,
    pub amount: u32,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an invoice needs an amount")]
pub struct NoAmount;

#[derive(Default)]
pub struct InvoiceBook {
    last: u32,
}

#[aggregate(id = u16)]
impl InvoiceBook {
    #[apply]
    fn issued(&mut self, event: &InvoiceIssued) {
        self.last = event.number;
    }
}

#[command_handler]
fn issue(cmd: IssueInvoice, book: &InvoiceBook) -> Result<InvoiceIssued, NoAmount> {
    ensure!(cmd.amount > 0, NoAmount);
    let number = book.last + 1;
    Ok(InvoiceIssued {
        year: cmd.year,
        number,
        amount: cmd.amount,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn numbers_are_one_to_the_count_of_invoices() {
    on_each(module(), |app| async move {
        // Every fourth is rejected, which must not cost a number.
        let outcomes = race(32, |number| {
            let app = app.clone();
            let amount = u32::try_from(number % 4).expect("a small number");
            async move { app.execute(IssueInvoice { year: 2026, amount }).await }
        })
        .await;
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
            24
        );
        for outcome in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(outcome.rejected(), Some(NoAmount));
        }
        let events = app.events(EventQuery::All).all().await.expect("reads");
        let number = |event: &Recorded| event.decode::<InvoiceIssued>().expect("decodes").number;
        let numbers: Vec<u32> = events.iter().map(|event| number(event)).collect();
        assert_eq!(numbers, (1..=24).collect::<Vec<_>>());
    })
    .await;
}
