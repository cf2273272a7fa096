// A client by the OpenAPI Generator: classes with a method for each operation.
import {
  CommandsApi,
  Configuration,
  CreateProductConflictFromJSON,
  type CreateProduct,
  InvalidCommandProblemFromJSON,
  InvalidCommandProblemTypeEnum,
  QueriesApi,
  ResponseError,
} from "./client/index.js";

const configuration = new Configuration({ basePath: process.argv[2]! });
const commands = new CommandsApi(configuration);
const queries = new QueriesApi(configuration);
const lamp: CreateProduct = { productId: "P1", name: "Lamp", description: "It shines.", price: "9.99" };

/** The same key again: the command has its effect once. */
const create = () => commands.sendCreateProductRaw({ createProduct: lamp, idempotencyKey: "lamp" });
const first = await create();
const again = await create();
const receipts = [await first.value(), await again.value()] as const;

// The read model is to have what the command has recorded.
const position = first.raw.headers.get("Log-Position")!;
const card = await queries.askGetProductById({ productId: "P1", minPosition: position });

/** The answer that is thrown as an error. */
const refused = async (product: CreateProduct): Promise<Response> => {
  try {
    await commands.sendCreateProduct({ createProduct: product });
  } catch (error) {
    if (error instanceof ResponseError) return error.response;
    throw error;
  }
  throw new Error("the command was not refused");
};

const taken = await refused({ ...lamp, name: "Lantern" });
const conflict = CreateProductConflictFromJSON(await taken.json());
const rejection = conflict.rejection;
const existing: string | undefined = rejection && "alreadyExists" in rejection ? rejection.alreadyExists : undefined;

const nameless = await refused({ ...lamp, name: "" });
const problem = InvalidCommandProblemFromJSON(await nameless.json());
if (problem.type !== InvalidCommandProblemTypeEnum.UrnCqrsProblemInvalid) throw problem;

// What has the wrong type is not compiled.
// @ts-expect-error: a name is a text
const wrong: CreateProduct = { ...lamp, name: 1 };
void wrong;

console.log(JSON.stringify({
  replayed: receipts.map(({ replayed }) => replayed),
  same: receipts[0].command === receipts[1].command,
  card: { name: card?.name, price: card?.price },
  rejected: { status: taken.status, type: conflict.type, existing },
  invalid: { status: nameless.status, type: problem.type, pointer: problem.errors?.[0]?.pointer },
}));
