// The buttons that copy what another element holds.

const copied = async (text) => {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const place = element("textarea", { value: text });
  document.body.append(place);
  place.select();
  const done = document.execCommand("copy");
  place.remove();
  return done ? undefined : Promise.reject(new Error("no clipboard"));
};

for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", () => {
    copied(byId(button.dataset.copies).textContent).then(
      () => { byId("copied").textContent = "Copied."; },
      () => { byId("copied").textContent = "This browser does not copy: the code is below."; byId(button.dataset.copies).parentElement.open = true; },
    );
  });
}
