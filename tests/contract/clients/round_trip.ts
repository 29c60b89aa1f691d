// Compiled against the types that are generated from the document: what does not fit it does not compile.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Invoice = components["schemas"]["Invoice"];

export async function roundTrip(baseUrl: string, email: string, password: string): Promise<Invoice[]> {
  const client = createClient<paths>({ baseUrl });
  const signedIn = await client.POST("/api/v1/auth/login/", { body: { email, password } });
  if (!signedIn.data) throw new Error(signedIn.error.code);
  const headers = { Authorization: `Bearer ${signedIn.data.access}` };

  const vendor = await client.POST("/api/v1/vendors/", { headers, body: { name: "Paper AG" } });
  if (!vendor.data) throw new Error(vendor.error.detail);

  const items = [{ description: "Paper", quantity: "2", unit_price: "10.50", tax_rate: "0.19" }];
  const invoice = await client.POST("/api/v1/invoices/", {
    headers,
    body: { vendor: vendor.data.id, currency: "EUR", rounding: "line", items },
  });
  if (!invoice.data) throw new Error(invoice.error.request_id ?? invoice.error.title);
  const amount: string = invoice.data.amount;
  const issuedAt: string | null = invoice.data.issued_at;
  const status: "DRAFT" | "ISSUED" | "PAID" | "VOID" | "CREDITED" = invoice.data.status;
  console.log(amount, issuedAt, status);

  // @ts-expect-error Amounts are strings, so that no digit is lost.
  const rounded: number = invoice.data.amount;
  // @ts-expect-error A vendor has a name.
  await client.POST("/api/v1/vendors/", { headers, body: { address: "Berlin" } });
  // @ts-expect-error There is no such address.
  await client.GET("/api/v1/nowhere/", { headers });
  console.log(rounded);

  const listed = await client.GET("/api/v1/invoices/", { headers, params: { query: { page_size: 10 } } });
  return listed.data?.results ?? [];
}
