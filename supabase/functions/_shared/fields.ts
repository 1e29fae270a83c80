import { z } from "zod";

/** Fields that several routes read or answer with. */

/** The id of anything: a UUID. */
export const id = z.uuid();

/** Parameters of a route with `{id}` in its path. */
export const idParams = z.strictObject({ id });

/** The pattern of `{id}` in paths: what is no UUID is no id but, where there is one, a slug. */
export const ID = ":id{[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}}";

/** Public name of an event in links; never of the form of a UUID. */
export const slug = z.string().regex(/^[a-z0-9][a-z0-9-]{1,62}[a-z0-9]$/, "not an event slug");

/** An instant, as the database spells it: `2026-11-23T18:30:00+00:00`. */
export const instant = z.iso.datetime({ offset: true, local: false });

/** Chosen by the caller: the same request with the same key is done once, however often it is sent. */
export const idempotencyKey = z.string().min(16).max(128);

/** Credits that a request moves. */
export const amount = z.int().min(1).max(1_000_000_000);

/** A public address of a picture. */
export const pictureUrl = z.url({ protocol: /^https?$/ }).max(2000);
