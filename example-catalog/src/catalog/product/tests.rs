//! A command handler is a plain function of the command and the state, and this is its test.

use super::*;

fn id() -> ProductId {
    "P001".parse().expect("an id")
}

fn decimal(text: &str) -> Decimal {
    text.parse().expect("a decimal")
}

fn creation(price: &str) -> CreateProduct {
    let (name, description) = (
        "Laptop Pro".to_owned(),
        "High-performance laptop".to_owned(),
    );
    CreateProduct {
        product_id: id(),
        name,
        description,
        price: decimal(price),
    }
}

fn on_sale(price: &str, stock: u32) -> Product {
    let (status, name) = (Status::OnSale, "Laptop Pro".to_owned());
    Product {
        status,
        name,
        price: decimal(price),
        stock,
    }
}

fn discontinued(stock: u32) -> Product {
    Product {
        status: Status::Discontinued,
        ..on_sale("10.00", stock)
    }
}

#[test]
fn a_product_is_created_once() {
    let event = create_product(creation("1200"), &Product::default()).expect("a product");
    assert_eq!(event.price.to_string(), "1200.00");
    assert_eq!(event.name, "Laptop Pro");
    let mut product = Product::default();
    product.created(&event);
    assert_eq!(product, on_sale("1200.00", 0));
    let exists = CatalogError::AlreadyExists(id());
    assert_eq!(
        create_product(creation("1200"), &product),
        Err(exists.clone())
    );
    assert_eq!(
        create_product(creation("1200"), &discontinued(0)),
        Err(exists)
    );
}

#[test]
fn a_price_is_positive_bounded_and_in_cents() {
    for bad in [
        "0",
        "-5.00",
        "0.001",
        "1000000000.01",
        "79228162514264337593543950335",
    ] {
        let rejected = create_product(creation(bad), &Product::default());
        let expected = CatalogError::BadPrice {
            product_id: id(),
            price: decimal(bad),
        };
        assert_eq!(rejected, Err(expected));
    }
    for good in ["0.01", "95.5", "95.500", "1000000000"] {
        let event = create_product(creation(good), &Product::default()).expect("a price");
        assert_eq!(event.price, decimal(good));
        assert_eq!(event.price.scale(), 2);
    }
}

#[test]
fn a_price_is_updated_if_it_differs() {
    let update = |price: &str| UpdateProductPrice {
        product_id: id(),
        new_price: decimal(price),
    };
    let product = on_sale("1200.00", 0);
    let event = update_product_price(update("1150"), &product).expect("a price");
    let (old_price, new_price) = (decimal("1200.00"), decimal("1150.00"));
    assert_eq!(
        event,
        Some(ProductPriceUpdated {
            product_id: id(),
            old_price,
            new_price
        })
    );
    assert_eq!(update_product_price(update("1200.0"), &product), Ok(None));
    assert_eq!(
        update_product_price(update("1"), &Product::default()),
        Err(CatalogError::NotFound(id()))
    );
    assert_eq!(
        update_product_price(update("1"), &discontinued(0)),
        Err(CatalogError::Discontinued(id()))
    );
}

#[test]
fn a_name_is_changed_if_it_differs() {
    let rename = |name: &str| RenameProduct {
        product_id: id(),
        new_name: name.to_owned(),
    };
    let product = on_sale("1.00", 0);
    let event = ProductRenamed {
        product_id: id(),
        new_name: "Laptop".to_owned(),
    };
    assert_eq!(rename_product(rename("Laptop"), &product), Ok(Some(event)));
    assert_eq!(rename_product(rename("Laptop Pro"), &product), Ok(None));
}

#[test]
fn a_product_is_discontinued_once() {
    let command = DiscontinueProduct { product_id: id() };
    let event = ProductDiscontinued {
        product_id: id(),
        last_price: decimal("10.00"),
    };
    assert_eq!(
        discontinue_product(command.clone(), &on_sale("10.00", 3)),
        Ok(event)
    );
    assert_eq!(
        discontinue_product(command, &discontinued(3)),
        Err(CatalogError::Discontinued(id()))
    );
}

#[test]
fn stock_is_received_up_to_a_limit() {
    let receive = |units| ReceiveStock {
        product_id: id(),
        units,
    };
    assert_eq!(
        receive_stock(receive(7), &on_sale("1.00", 3)),
        Ok(StockReceived {
            product_id: id(),
            units: 7
        })
    );
    assert_eq!(
        receive_stock(receive(0), &on_sale("1.00", 3)),
        Err(CatalogError::NoUnits(id()))
    );
    for (received, available) in [(1, MAX_STOCK), (u32::MAX, 1)] {
        let product_id = id();
        let expected = CatalogError::TooMuchStock {
            product_id,
            received,
            available,
        };
        assert_eq!(
            receive_stock(receive(received), &on_sale("1.00", available)),
            Err(expected)
        );
    }
}

#[test]
fn stock_is_reserved_as_far_as_it_goes() {
    let reserve = |units| ReserveStock {
        product_id: id(),
        units,
    };
    let reserved = |units| StockReserved {
        product_id: id(),
        units,
    };
    assert_eq!(
        reserve_stock(reserve(3), &on_sale("1.00", 10)),
        Ok((reserved(3), None))
    );
    assert_eq!(
        reserve_stock(reserve(2), &discontinued(2)),
        Ok((reserved(2), None))
    );
    let (product_id, wanted, available) = (id(), 11, 10);
    assert_eq!(
        reserve_stock(reserve(11), &on_sale("1.00", 10)),
        Err(CatalogError::NotEnoughStock {
            product_id,
            wanted,
            available
        })
    );
    assert_eq!(
        reserve_stock(reserve(1), &Product::default()),
        Err(CatalogError::NotFound(id()))
    );
}

#[test]
fn running_low_is_said_once() {
    let low = |stock, units| {
        let command = ReserveStock {
            product_id: id(),
            units,
        };
        let (_, low) = reserve_stock(command, &on_sale("1.00", stock)).expect("enough");
        low.map(|event| event.units_left)
    };
    assert_eq!(low(LOW_STOCK + 1, 1), None);
    assert_eq!(low(LOW_STOCK, 1), Some(LOW_STOCK - 1));
    assert_eq!(low(LOW_STOCK - 1, 1), None);
    assert_eq!(low(100, 100), Some(0));
}

#[test]
fn errors_name_ids_and_figures() {
    let (product_id, price) = (id(), decimal("-5.00"));
    assert_eq!(
        CatalogError::BadPrice { product_id, price }.to_string(),
        "-5.00 is no price for product P001: \
         prices go from 0.01 to 1000000000, in steps of 0.01"
    );
    let (product_id, wanted, available) = (id(), 11, 10);
    assert_eq!(
        CatalogError::NotEnoughStock {
            product_id,
            wanted,
            available
        }
        .to_string(),
        "not enough of product P001 in stock: 11 wanted, 10 available"
    );
}
