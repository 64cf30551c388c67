// Buttons by what they do: data-action in the page.

const all = (action) => document.querySelectorAll(`[data-action="${action}"]`);
const pressable = (action) => document.querySelector(`[data-action="${action}"][aria-pressed]`);

export function press(action, pressed) {
  pressable(action).setAttribute('aria-pressed', String(pressed));
}

export function isPressed(action) {
  return pressable(action).getAttribute('aria-pressed') === 'true';
}

/** Press it, or let it go; returns whether it is pressed now. */
export function toggle(action) {
  press(action, !isPressed(action));
  return isPressed(action);
}

export function allow(action, can) {
  for (const button of all(action)) button.disabled = !can;
}

export function offer(action, there) {
  for (const button of all(action)) button.hidden = !there;
}

/** Call `actions[name]()` when a button of that name is used. */
export function watchButtons(actions) {
  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-action]');
    if (button) actions[button.dataset.action]();
  });
}
