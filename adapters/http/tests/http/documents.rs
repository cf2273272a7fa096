use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::domain::in_memory;
use crate::server::{Server, json, options, problem, send};

#[tokio::test]
async fn the_document_is_served_beside_what_it_describes() {
    let (app, _) = in_memory().await;
    let about = cqrs_openapi::Options::new().title("Accounts");
    let expected = cqrs_openapi::openapi(&app.model(), &about);
    let server = Server::with(options().openapi(about), app).await;
    // Nobody has to be known.
    let response = send(server.get("openapi.json").header("x-user", "nobody")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers();
    assert_eq!(headers["content-type"], "application/json");
    let tag = headers["etag"].clone();
    let document: Value = response.json().await.expect("is JSON");
    assert_eq!(document, *expected.value());
    assert_eq!(document["servers"][0]["url"], ".");
    assert!(document["paths"]["/commands/Deposit"]["post"].is_object());
    assert!(document["paths"]["/queries/BalanceOf"]["get"].is_object());

    let (status, document) = json(server.get("asyncapi.json")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(document["channels"]["events"]["address"], Value::Null);

    let again = send(server.get("openapi.json").header("if-none-match", tag)).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);

    let refused = send(server.request(Method::DELETE, "openapi.json")).await;
    assert_eq!(refused.headers()["allow"], "GET, HEAD");
    let refused = problem(server.request(Method::DELETE, "openapi.json")).await;
    assert_eq!((refused.0, &*refused.1), (405, "method"));
}

#[tokio::test]
async fn no_document_is_served_unless_it_is_wanted() {
    let (app, _) = in_memory().await;
    let server = Server::start(app).await;
    let (status, _) = json(server.get("openapi.json")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
