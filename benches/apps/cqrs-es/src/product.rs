use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use serde::{Deserialize, Serialize};

#[derive(Debug, thiserror::Error)]
pub enum ProductError {
    #[error("the product exists already")]
    Exists,
    #[error("there is no such product")]
    Unknown,
}

pub enum ProductCommand {
    Create { name: String, price: u64 },
    ChangePrice { price: u64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ProductEvent {
    Created { name: String, price: u64 },
    PriceChanged { price: u64 },
}

impl DomainEvent for ProductEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Created { .. } => "product-created".to_owned(),
            Self::PriceChanged { .. } => "price-changed".to_owned(),
        }
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

#[derive(Default, Serialize, Deserialize)]
pub struct Product {
    exists: bool,
}

impl Aggregate for Product {
    const TYPE: &'static str = "product";
    type Command = ProductCommand;
    type Event = ProductEvent;
    type Error = ProductError;
    type Services = ();

    async fn handle(
        &mut self,
        command: ProductCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), ProductError> {
        let event = match command {
            ProductCommand::Create { .. } if self.exists => return Err(ProductError::Exists),
            ProductCommand::Create { name, price } => ProductEvent::Created { name, price },
            ProductCommand::ChangePrice { .. } if !self.exists => {
                return Err(ProductError::Unknown);
            }
            ProductCommand::ChangePrice { price } => ProductEvent::PriceChanged { price },
        };
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: ProductEvent) {
        if let ProductEvent::Created { .. } = event {
            self.exists = true;
        }
    }
}
