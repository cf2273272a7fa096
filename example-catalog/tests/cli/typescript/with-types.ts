// A client by openapi-typescript, which makes types, and openapi-fetch, which sends requests by them.
import createClient from "openapi-fetch";
import type { paths } from "./catalog.js";

// Of the answers to a query, the one and not the stream of all.
const client = createClient<paths, "application/json" | "application/problem+json">({ baseUrl: process.argv[2]! });
const lamp = { product_id: "P1", name: "Lamp", description: "It shines.", price: "9.99" };

/** The same key again: the command has its effect once. */
const create = () => client.POST("/commands/CreateProduct", { body: lamp, params: { header: { "Idempotency-Key": "lamp" } } });
const first = await create();
const again = await create();
if (!first.data || !again.data) throw first.error ?? again.error;

// The read model is to have what the command has recorded.
const position = first.response.headers.get("Log-Position")!;
const { data: card } = await client.GET("/queries/GetProductById", {
  params: { query: { product_id: "P1" }, header: { "Min-Position": position } },
});

const taken = await client.POST("/commands/CreateProduct", { body: { ...lamp, name: "Lantern" } });
// Only the error of a rejection has it, and it has the types of the domain.
const rejection = taken.error && "rejection" in taken.error ? taken.error.rejection : undefined;
const existing: string | undefined = rejection && "AlreadyExists" in rejection ? rejection.AlreadyExists : undefined;

const nameless = await client.POST("/commands/CreateProduct", { body: { ...lamp, name: "" } });
const fields = nameless.error && "errors" in nameless.error ? nameless.error.errors : undefined;

// What has the wrong type is not compiled.
// @ts-expect-error: a name is a text
const wrong: Parameters<typeof client.POST<"/commands/CreateProduct", never>>[1] = { body: { ...lamp, name: 1 } };
// @ts-expect-error: there is no such command
const unknown = () => client.POST("/commands/CreateProdukt", { body: lamp });
void [wrong, unknown];

console.log(JSON.stringify({
  replayed: [first.data.replayed, again.data.replayed],
  same: first.data.command === again.data.command,
  card: { name: card?.name, price: card?.price },
  rejected: { status: taken.response.status, type: taken.error?.type, existing },
  invalid: { status: nameless.response.status, type: nameless.error?.type, pointer: fields?.[0]?.pointer },
}));
