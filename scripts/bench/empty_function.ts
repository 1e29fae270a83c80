// What the functions are compared with: the same runtime with nothing to do.
Deno.serve(() => new Response("ok"));
