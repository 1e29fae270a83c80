import { html } from "hono/html";
import type { Preference } from "./preferences.ts";
import { CURRENCY } from "./state.ts";

const AMOUNT = new Intl.NumberFormat("es-AR", { style: "currency", currency: CURRENCY });

type Markup = ReturnType<typeof html>;

/** The page on which a person decides how a payment ends. */
export function payPage({ id, request, amount }: Preference): Markup {
  const button = (result: string, label: string) =>
    html`<button class="${result}" name="result" value="${result}">${label}</button>`;
  return page(html`
    <ul>${request.items.map((item) => html`<li>${item.quantity} × ${item.title}</li>`)}</ul>
    <p class="amount">${AMOUNT.format(amount)}</p>
    <form method="post" action="?pref_id=${encodeURIComponent(id)}">
      ${button("approved", "Aprobar")}
      ${button("rejected", "Rechazar")}
      ${request.binary_mode === true ? "" : button("pending", "Dejar pendiente")}
    </form>
  `);
}

/** A page that only says something. */
export function messagePage(text: string): Markup {
  return page(html`<p>${text}</p>`);
}

function page(content: Markup): Markup {
  return html`<!doctype html>
<html lang="es">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Pagar</title>
    <style>
      body { font: 16px/1.5 system-ui, sans-serif; max-width: 24rem; margin: 3rem auto; padding: 0 1rem }
      ul { list-style: none; padding: 0; margin: 0 } .note { color: #666 }
      .amount { font-size: 2rem; font-weight: 600; margin: .5rem 0 1.5rem }
      form { display: grid; gap: .75rem }
      button { font: inherit; padding: .75rem; border: 1px solid #bbb; border-radius: 8px; background: #fff; cursor: pointer }
      .approved { background: #0a7d3c; border-color: #0a7d3c; color: #fff }
    </style>
  </head>
  <body>
    <p class="note">Pago simulado: no se cobra nada.</p>
    ${content}
  </body>
</html>`;
}
