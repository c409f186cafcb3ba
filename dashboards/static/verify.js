// The verify button without a change of page: the same form is sent, and the result is taken from the page that comes back.
const form = document.getElementById("verify");

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  const place = document.getElementById("verification");
  const label = button.textContent;
  button.disabled = true;
  button.textContent = "Recomputing …";
  try {
    const answer = await fetch(form.action, { method: "POST" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const result = page.getElementById("verification");
    if (!result) throw new Error(page.querySelector("main p[dir]")?.textContent ?? `the server answered ${answer.status}`);
    place.replaceChildren(...result.childNodes);
  } catch (error) {
    const note = document.createElement("p");
    note.className = "verdict wrong";
    note.textContent = `The check could not be made: ${error.message}.`;
    place.replaceChildren(note);
  } finally {
    button.disabled = false;
    button.textContent = label;
  }
});
