import type { SupabaseClient } from "@supabase/supabase-js";

/** The token of who is signed in, renewed when it is due; undefined when nobody is. */
export async function accessToken(supabase: SupabaseClient): Promise<string | undefined> {
  const { data } = await supabase.auth.getSession();
  return data.session?.access_token;
}
